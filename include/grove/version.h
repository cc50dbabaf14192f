/*
 * grove/version.h - which grove this is: at compile time by the macros, at run time by grove_version()
 *
 * The one place where the version is written down: configure.ac reads it from here.
 */
#ifndef GROVE_VERSION_H
#define GROVE_VERSION_H

#define GROVE_VERSION_MAJOR	0
#define GROVE_VERSION_MINOR	1
#define GROVE_VERSION_PATCH	0
#define GROVE_VERSION		"0.1.0"

/* 0xMMmmpp: compares as a number */
#define GROVE_VERSION_NUMBER	(GROVE_VERSION_MAJOR << 16 | GROVE_VERSION_MINOR << 8 | GROVE_VERSION_PATCH)

#define GROVE_API		__attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/*
 * grove_version - the version of the library in use
 *
 * Returns a string such as "0.1.0", static; GROVE_VERSION is that of the headers the program was built with.
 * Parks: no.   Threads: any.   Signals: async-signal-safe.
 */
GROVE_API const char *grove_version(void);

#ifdef __cplusplus
}
#endif

#endif
