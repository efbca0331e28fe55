package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// loopbackAddress is an address of the node's own, on its loopback interface: it stays the same when Docker gives the
// container another one after a restart. A single node is known by it, so that no certificate, endpoint or pod status
// goes stale; pods reach what listens there through their gateway.
const loopbackAddress = "10.41.0.1"

// prepareHost makes the container a place where a kubelet can run.
func prepareHost(s *supervisor) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("mounts cannot be made shared (is the container privileged?): %w", err)
	}
	if err := prepareCgroups(); err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	if err := s.run("/usr/sbin/ip", "address", "replace", loopbackAddress+"/32", "dev", "lo"); err != nil {
		return err
	}
	for _, setting := range []string{"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"} {
		// Absent without the bridge module, read-only in some sandboxes; pods are routed, so only the first is needed.
		_ = os.WriteFile("/proc/sys/"+setting, []byte("1\n"), 0)
	}
	if forward, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); strings.TrimSpace(string(forward)) != "1" {
		return fmt.Errorf("net.ipv4.ip_forward is off and cannot be switched on")
	}
	return chooseIptables(s)
}

// prepareCgroups on version 2 moves this process out of the root group, because a group with processes cannot hand
// its controllers down. Version 1 needs nothing.
func prepareCgroups() error {
	if _, err := os.Stat(cgroups + "/cgroup.controllers"); err != nil {
		return nil
	}
	if err := os.MkdirAll(cgroups+"/init", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(cgroups+"/init/cgroup.procs", []byte("0"), 0); err != nil {
		return err
	}
	handDown(cgroups)
	return nil
}

const cgroups = "/sys/fs/cgroup"

// handDown lets the groups below one of version 2 use every controller that it has.
func handDown(group string) {
	controllers, _ := os.ReadFile(group + "/cgroup.controllers")
	for _, controller := range strings.Fields(string(controllers)) {
		if err := os.WriteFile(group+"/cgroup.subtree_control", []byte("+"+controller), 0); err != nil {
			say("cgroup controller %s cannot be handed down: %v", controller, err)
		}
	}
}

// makeCgroup makes a group in every hierarchy, for a kubelet that is told to keep its pods below it.
func makeCgroup(name string) error {
	if _, err := os.Stat(cgroups + "/cgroup.controllers"); err == nil {
		if err := os.MkdirAll(cgroups+"/"+name, 0o755); err != nil {
			return err
		}
		handDown(cgroups + "/" + name)
		return nil
	}
	hierarchies, err := os.ReadDir(cgroups)
	if err != nil {
		return err
	}
	for _, hierarchy := range hierarchies {
		if !hierarchy.IsDir() || hierarchy.Name() == "unified" {
			continue
		}
		parent := cgroups + "/" + hierarchy.Name()
		if err := os.MkdirAll(parent+"/"+name, 0o755); err != nil {
			return err
		}
		// A new cpuset is empty, and no process can join an empty one.
		for _, setting := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(parent + "/" + setting); err == nil {
				if err := os.WriteFile(parent+"/"+name+"/"+setting, value, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var iptablesPrograms = []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"}

// iptablesMulti is the program behind all of them, of the variant that this kernel supports.
var iptablesMulti = "xtables-nft-multi"

// chooseIptables takes the variant that this kernel supports; the image's default is nft.
func chooseIptables(s *supervisor) error {
	nft := s.run("/usr/sbin/iptables-nft", "-t", "nat", "-L", "-n")
	if nft == nil {
		return nil
	}
	if legacy := s.run("/usr/sbin/iptables-legacy", "-t", "nat", "-L", "-n"); legacy != nil {
		return fmt.Errorf("neither iptables variant works: %w; %w", nft, legacy)
	}
	iptablesMulti = "xtables-legacy-multi"
	for _, name := range iptablesPrograms {
		path := "/usr/local/sbin/" + name
		_ = os.Remove(path)
		if err := os.Symlink("/usr/sbin/"+iptablesMulti, path); err != nil {
			return err
		}
	}
	return nil
}

// upstreamResolvers are the name servers of the container that pods can reach too: none on loopback, which is
// where Docker's own server listens in networks that users make.
func upstreamResolvers() (reachable []string, loopback bool) {
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil, false
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip := net.ParseIP(fields[1]); ip != nil && ip.IsLoopback() {
			loopback = true
		} else if ip != nil {
			reachable = append(reachable, fields[1])
		}
	}
	return reachable, loopback
}

func localAddresses() []string {
	var found []string
	addresses, _ := net.InterfaceAddrs()
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			found = append(found, network.IP.String())
		}
	}
	return found
}

// writeWhole writes a file that is never seen half-written.
func writeWhole(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
