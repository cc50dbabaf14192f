/*
 * grove.h - the whole public API: one header per concept
 */
#ifndef GROVE_H
#define GROVE_H

#include <grove/base.h>
#include <grove/future.h>
#include <grove/generator.h>
#include <grove/greenlet.h>
#include <grove/group.h>
#include <grove/hub.h>
#include <grove/pool.h>
#include <grove/timeout.h>
#include <grove/version.h>
#include <grove/wait.h>

#endif
