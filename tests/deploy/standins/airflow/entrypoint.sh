#!/bin/bash
# As the official one: bash and python run as they are, all else is a subcommand of airflow.
umask 0002
case "$1" in
  bash|python) exec "$@" ;;
  airflow) shift; exec airflow "$@" ;;
  *) exec airflow "$@" ;;
esac
