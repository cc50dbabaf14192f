/*
 * grove.h - the whole public API: one header per concept
 */
#ifndef GROVE_H
#define GROVE_H

#include <grove/version.h>

#endif
