/*
 * info.h - reports about greenlets for grove's own use
 */
#ifndef GR_API_INFO_H
#define GR_API_INFO_H

/* One line for each greenlet that is parked: what it waits for.  In the hub or inside: no malloc, no stdio. */
void gr_info_print_blocked(int fd);

#endif
