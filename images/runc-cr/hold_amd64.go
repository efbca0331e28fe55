package main

import "golang.org/x/sys/unix"

// forks are the system calls in which a thread may wait for its child.
var forks = map[int]bool{unix.SYS_VFORK: true, unix.SYS_CLONE: true, unix.SYS_CLONE3: true}
