/*
 * grove.h - the whole public API: one header per concept
 */
#ifndef GROVE_H
#define GROVE_H

#include <grove/barrier.h>
#include <grove/base.h>
#include <grove/channel.h>
#include <grove/context.h>
#include <grove/event.h>
#include <grove/future.h>
#include <grove/generator.h>
#include <grove/greenlet.h>
#include <grove/group.h>
#include <grove/hub.h>
#include <grove/info.h>
#include <grove/local.h>
#include <grove/lock.h>
#include <grove/net.h>
#include <grove/pipeline.h>
#include <grove/pool.h>
#include <grove/prefork.h>
#include <grove/queue.h>
#include <grove/semaphore.h>
#include <grove/server.h>
#include <grove/task.h>
#include <grove/threadpool.h>
#include <grove/timeout.h>
#include <grove/trace.h>
#include <grove/version.h>
#include <grove/wait.h>

#endif
