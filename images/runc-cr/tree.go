package main

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// tree is a folder of files that belong to a container's state, and the archive of it in a checkpoint.
type tree struct {
	// Folder on the node.
	Folder string `json:"folder"`
	// Archive's path, in a checkpoint's folder or whole.
	Archive string `json:"archive"`
}

// Volumes that live and die with a pod: the kubelet's emptyDir, and the memory that its containers share. Others outlive
// the pod, and the restored one mounts the same.
var (
	emptyDir = regexp.MustCompile(`/pods/[^/]+/volumes/kubernetes\.io~empty-dir/[^/]+$`)
	shared   = regexp.MustCompile(`/sandboxes/[0-9a-f]+/shm$`)
)

// volumes are the folders of the pod's own volumes, by where the container mounts them.
func (s *spec) volumes() map[string]string {
	found := map[string]string{}
	for _, mount := range s.Mounts {
		if emptyDir.MatchString(mount.Source) || mount.Destination == "/dev/shm" && shared.MatchString(mount.Source) {
			found[mount.Destination] = mount.Source
		}
	}
	return found
}

// planTrees names what a dump packs: the root file system's changes, and each volume under the next number.
func planTrees(upper string, volumes map[string]string) (trees []tree, archives map[string]string) {
	trees = []tree{{Folder: upper, Archive: rootfsDiff}}
	archives = map[string]string{}
	seen := map[string]string{}
	for _, destination := range sortedKeys(volumes) {
		folder := volumes[destination]
		if seen[folder] == "" {
			seen[folder] = fmt.Sprintf("volume-%d.tar", len(seen))
			trees = append(trees, tree{Folder: folder, Archive: seen[folder]})
		}
		archives[destination] = seen[folder]
	}
	return trees, archives
}

// unpackTrees brings a checkpoint's files into a container that is being made.
func (m *manifest) unpackTrees(folder, bundle string, s *spec) error {
	if err := unpackTree(filepath.Join(folder, rootfsDiff), s.rootfs(bundle)); err != nil {
		return err
	}
	volumes := s.volumes()
	done := map[string]bool{}
	for _, destination := range sortedKeys(m.Volumes) {
		archive, target := m.Volumes[destination], volumes[destination]
		if target == "" {
			return failf(codeWrongContainer, "the checkpoint has a volume at %s, and this container has none", destination)
		}
		if done[archive] {
			continue
		}
		done[archive] = true
		if !filepath.IsLocal(archive) {
			return failf(codeBroken, "the manifest names the archive %q", archive)
		}
		if err := unpackTree(filepath.Join(folder, archive), target); err != nil {
			return err
		}
	}
	return nil
}
