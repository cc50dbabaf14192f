#!/bin/bash
# redis.sh - how the test runs the demo redis: beside a server of its own
exec "${srcdir:?}/demos/clients/with_redis" "${builddir:?}/demos/clients/redis"
