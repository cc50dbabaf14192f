/*
 * stats.h - what --stats prints when the process ends
 */
#ifndef GR_STATS_H
#define GR_STATS_H

/* Read GROVE_STATS from @env: unset or empty, nothing is printed; "1" to standard error; else appended to that file. */
void gr_stats_start(char **env);

/* The system call's name, for people; NULL: the table knows none with that number. */
const char *gr_call_name(long nr);

/* Once per process, at exit_group. */
void gr_stats_print(void);

#endif
