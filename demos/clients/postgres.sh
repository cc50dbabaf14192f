#!/bin/bash
# postgres.sh - how the test runs the demo postgres: beside a server of its own
exec "${srcdir:?}/demos/clients/with_postgres" "${builddir:?}/demos/clients/postgres"
