package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const criEndpoint = "unix:///run/containerd/containerd.sock"

// journalctl prints the log files of the components, of all or of those that -u names; it returns the exit code.
func journalctl(arguments []string) int {
	logFolder = "/var/log/node"
	flags := flag.NewFlagSet("journalctl", flag.ContinueOnError)
	flags.Bool("no-pager", true, "no pager here in any case")
	lines := flags.Int("n", 0, "how many of the last lines; 0 for all")
	var names []string
	name := func(value string) error {
		names = append(names, strings.TrimSuffix(value, ".service"))
		return nil
	}
	flags.Func("u", "component: kubelet, containerd", name)
	flags.Func("unit", "component: kubelet, containerd", name)
	if flags.Parse(arguments) != nil || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "journalctl: no journal here; this stand-in prints the files of "+logFolder+" and knows -u UNIT, -n LINES, --no-pager")
		return 1
	}
	if len(names) == 0 {
		files, _ := filepath.Glob(logPath("*"))
		for _, file := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(file), ".log"))
		}
	}
	for _, name := range names {
		if err := printLog(name, *lines); err != nil {
			fmt.Fprintf(os.Stderr, "journalctl: %v\n", err)
			return 1
		}
	}
	return 0
}

func printLog(name string, lines int) error {
	fmt.Printf("-- %s (no journal here: %s) --\n", name, logPath(name))
	if lines > 0 {
		fmt.Println(tail(name, 0, lines))
		return nil
	}
	file, err := os.Open(logPath(name))
	if os.IsNotExist(err) {
		fmt.Println("-- No entries --")
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(os.Stdout, file)
	return err
}

// crictl answers what kind and its users ask about images; it returns the exit code.
func crictl(arguments []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	connection, err := grpc.NewClient(criEndpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		defer connection.Close()
		service := cri.NewImageServiceClient(connection)
		switch {
		case len(arguments) > 1 && arguments[0] == "inspecti":
			err = inspectImage(ctx, service, arguments[len(arguments)-1])
		case len(arguments) > 0 && (arguments[0] == "images" || arguments[0] == "img"):
			err = listImages(ctx, service)
		default:
			err = fmt.Errorf("%s: this stand-in for crictl knows: images, inspecti IMAGE; for all else there is ctr -n k8s.io", strings.Join(arguments, " "))
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "crictl: %v\n", err)
		return 1
	}
	return 0
}

func inspectImage(ctx context.Context, service cri.ImageServiceClient, name string) error {
	answer, err := service.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if err != nil {
		return err
	}
	if answer.Image == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"status": map[string]any{
		"id": answer.Image.Id, "repoTags": answer.Image.RepoTags, "repoDigests": answer.Image.RepoDigests, "size": fmt.Sprint(answer.Image.Size),
	}})
}

func listImages(ctx context.Context, service cri.ImageServiceClient) error {
	answer, err := service.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	fmt.Printf("%-70s %-20s %s\n", "IMAGE", "IMAGE ID", "SIZE")
	for _, image := range answer.Images {
		for _, tag := range image.RepoTags {
			fmt.Printf("%-70s %-20s %.1fMB\n", tag, strings.TrimPrefix(image.Id, "sha256:")[:13], float64(image.Size)/1e6)
		}
	}
	return nil
}
