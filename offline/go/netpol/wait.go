package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// runtimeSocket is where containerd tells the engine the address of a pod before the pod's containers start.
const runtimeSocket = "/var/run/nri/nri.sock"

// awaitAPI waits until the API server answers: informers that are refused at first wait much longer.
func awaitAPI(ctx context.Context, client kubernetes.Interface) error {
	return until(ctx, "the API server", func() error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
}

// followRuntime waits for containerd, and ends this process when containerd is started again: the engine asks it once, and
// would from then on learn a pod's address later than the pod can send.
func followRuntime(ctx context.Context) error {
	var first os.FileInfo
	err := until(ctx, "containerd", func() (err error) {
		first, err = os.Stat(runtimeSocket)
		return err
	})
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(500 * time.Millisecond)
			if now, err := os.Stat(runtimeSocket); err != nil || !os.SameFile(first, now) {
				fail(fmt.Errorf("containerd ended; starting again"))
			}
		}
	}()
	return nil
}

// until tries again until there is no error, and every ten seconds says what it waits for and why.
func until(ctx context.Context, what string, try func() error) error {
	next := time.Now().Add(10 * time.Second)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(next) {
			fmt.Fprintf(os.Stderr, "network-policies: waiting for %s: %v\n", what, err)
			next = time.Now().Add(10 * time.Second)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// quieten keeps to errors, and leaves out those about the engine's own rules, which the node does without.
func quieten() {
	klog.SetSlogLogger(slog.New(withoutRules{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})}))
}

type withoutRules struct{ slog.Handler }

func (h withoutRules) Handle(ctx context.Context, record slog.Record) error {
	about := record.Message == "syncing"
	record.Attrs(func(attribute slog.Attr) bool {
		about = about || attribute.Key == "err" && strings.Contains(attribute.Value.String(), "netlink receive")
		return !about
	})
	if about {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h withoutRules) WithAttrs(attributes []slog.Attr) slog.Handler {
	return withoutRules{h.Handler.WithAttrs(attributes)}
}

func (h withoutRules) WithGroup(name string) slog.Handler {
	return withoutRules{h.Handler.WithGroup(name)}
}
