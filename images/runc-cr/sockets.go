package main

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// restorableFamilies are the families of sockets that CRIU restores.
var restorableFamilies = map[int]bool{unix.AF_UNIX: true, unix.AF_INET: true, unix.AF_INET6: true,
	unix.AF_NETLINK: true, unix.AF_PACKET: true}

// restorableProtocols are those of internet sockets.
var restorableProtocols = map[int]bool{
	unix.IPPROTO_TCP: true, unix.IPPROTO_UDP: true, unix.IPPROTO_UDPLITE: true, unix.IPPROTO_ICMP: true,
	unix.IPPROTO_ICMPV6: true,
}

// socket refuses what CRIU does not know, and a connection to a process that is not dumped. A kernel without
// pidfd_getfd (before 5.6) does not tell, and the rest is CRIU's to refuse.
func (f *files) socket(d *descriptor) error {
	fd, err := d.copy()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.ESRCH) || errors.Is(err,
		unix.EPERM) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	family, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	protocol, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	internet := family == unix.AF_INET || family == unix.AF_INET6
	if !restorableFamilies[family] || internet && kind != unix.SOCK_RAW && !restorableProtocols[protocol] {
		return failf(codeSocket,
			"%s has a socket of family %d, protocol %d open (descriptor %s), which cannot be restored",
			d.who, family, protocol, d.number)
	}
	if family != unix.AF_UNIX {
		return nil
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || peer.Pid <= 0 || f.inTree(int(peer.Pid)) || gone(int(peer.Pid)) {
		return nil
	}
	return failf(codeSocket,
		"%s is connected by a Unix socket (descriptor %s) to process %d (%s), which is not in the container's process tree",
		d.who, d.number, peer.Pid, comm(int(peer.Pid)))
}

// copy gives this process what a descriptor refers to.
func (d *descriptor) copy() (int, error) {
	pid, err := unix.PidfdOpen(d.pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pid)
	number, err := strconv.Atoi(d.number)
	if err != nil {
		return -1, err
	}
	return unix.PidfdGetfd(pid, number, 0)
}
