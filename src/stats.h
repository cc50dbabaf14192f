/*
 * stats.h - what --stats prints when the process ends
 */
#ifndef GR_STATS_H
#define GR_STATS_H

/* Read GROVE_STATS from @env: unset or empty, nothing is printed; "1" to standard error; else appended to that file. */
void gr_stats_start(char **env);

/* Once per process, at exit_group. */
void gr_stats_print(void);

#endif
