/*
 * calls.h - the table: one line per system call that is not simply passed to the kernel
 *
 * Define CALL, include; once per use: gate dispatch, docs/COVERAGE.md, the list of tests owed.
 *   number      function        file  how it is made green
 */
CALL(SYS_read,            green_read,            io,      "MSG_DONTWAIT or RWF_NOWAIT or poll first, park; cold file pages on an offload thread")
