package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	// Also named in both containerd configurations.
	pauseImage = "docker.io/bay-e2e/pause:1"
	// Also named in kind's manifests (kind/*.yaml).
	agentImage = "docker.io/bay-e2e/node-agent:1"
	// The iptables programs with their libraries, as a tree of their own; the image's build lays it out.
	iptablesTree = "/usr/local/share/node/iptables"
	ctrProgram   = "/usr/bin/ctr"
)

func pause(more ...string) image {
	return image{names: append([]string{pauseImage}, more...), entrypoint: []string{"/pause"}, user: "65535:65535", files: []imageFile{{path: "pause", source: "/usr/local/lib/node/pause"}}}
}

// kindImages are the images that kubeadm of this version asks for, under the names that it asks for, and the agent's.
func kindImages(s *supervisor) ([]image, error) {
	listed, err := s.output(nil, kubeBinary+"kubeadm", "config", "images", "list", "--kubernetes-version="+version)
	if err != nil {
		return nil, err
	}
	var components, dns, sandbox []string
	for _, name := range strings.Fields(listed) {
		switch {
		case strings.Contains(name, "/coredns:"):
			dns = append(dns, name)
		case strings.Contains(name, "/pause:"):
			sandbox = append(sandbox, name)
		default:
			components = append(components, name)
		}
	}
	return []image{
		pause(sandbox...),
		{names: []string{agentImage}, entrypoint: []string{"/node-agent"}, files: agentFiles()},
		{names: dns, entrypoint: []string{"/coredns"}, files: []imageFile{{path: "coredns", source: "/usr/local/bin/coredns"}}},
		{names: components, files: componentFiles()},
	}, nil
}

// componentFiles is the one Kubernetes program under each of its names, and for kube-proxy the iptables variant that
// this node uses too: rules in the other one would not be seen.
func componentFiles() []imageFile {
	files := append(iptablesFiles(), imageFile{path: "usr/local/bin/kube", source: kubeBinary + "kube"})
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd"} {
		files = append(files, imageFile{path: "usr/local/bin/" + name, link: "kube"})
	}
	return files
}

// agentFiles is the agent with the engine for network policies, which sets rules of iptables too.
func agentFiles() []imageFile {
	return append(iptablesFiles(), imageFile{path: "node-agent", source: "/usr/local/lib/node/node"}, imageFile{path: "network-policies", source: policiesProgram})
}

func iptablesFiles() []imageFile {
	files := []imageFile{{path: "", source: iptablesTree}}
	for _, name := range iptablesPrograms {
		files = append(files, imageFile{path: "usr/local/sbin/" + name, link: "/usr/sbin/" + iptablesMulti})
	}
	return files
}

// importImages brings into containerd's store what it lacks, and goes on trying until it is there.
func importImages(ctx context.Context, s *supervisor, images []image) {
	until(ctx, "containerd", func() error { return s.run(ctrProgram, "--connect-timeout=1s", "version") })
	say("containerd ready")
	until(ctx, "the images of the node", func() error {
		present, err := s.output(nil, ctrProgram, "-n", "k8s.io", "images", "ls", "-q")
		if err != nil {
			return err
		}
		names := strings.Fields(present)
		missing := slices.DeleteFunc(slices.Clone(images), func(img image) bool {
			return !slices.ContainsFunc(img.names, func(name string) bool { return !slices.Contains(names, name) })
		})
		if len(missing) == 0 {
			return nil
		}
		return importArchive(s, missing)
	})
	say("images ready")
}

func importArchive(s *supervisor, images []image) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		defer writer.Close()
		written <- writeArchive(writer, images)
	}()
	_, err = s.output(reader, ctrProgram, "-n", "k8s.io", "images", "import", "--local", "-")
	reader.Close()
	if err := errors.Join(err, <-written); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}
