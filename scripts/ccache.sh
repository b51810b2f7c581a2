#!/bin/sh
# The compiler through ccache, so that what one clone or worktree compiled serves all others: paths count from the top
# of the tree, and debug information may name the folder of the clone that compiled first.
CCACHE_BASEDIR=$(dirname "$(dirname "$(readlink -f "$0")")") CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros exec ccache "$@"
