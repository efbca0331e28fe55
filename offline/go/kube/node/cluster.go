package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	systemNamespace = "kube-system"
	dnsService      = "kube-dns"
)

// ensureObjects makes the objects that k3s makes at its start, and marks those stale that a start before left.
func ensureObjects(ctx context.Context, client kubernetes.Interface, o *options) error {
	if err := markNodeUnknown(ctx, client, o.nodeName, bootTime); err != nil {
		return err
	}
	if !o.disabled["local-storage"] {
		if _, err := client.StorageV1().StorageClasses().Create(ctx, localPathClass(), meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	if o.disabled["coredns"] {
		return nil
	}
	// Looked for first: to create it again fails on the address that it holds, not on its name.
	services := client.CoreV1().Services(systemNamespace)
	if _, err := services.Get(ctx, dnsService, meta.GetOptions{}); apierrors.IsNotFound(err) {
		_, err = services.Create(ctx, dnsServiceObject(o), meta.CreateOptions{})
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return publishDNS(ctx, client, o.address, false)
}

// markNodeUnknown withdraws the Ready that the node reported before a restart, until its kubelet reports again.
func markNodeUnknown(ctx context.Context, client kubernetes.Interface, name string, start time.Time) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == core.NodeReady && c.LastHeartbeatTime.Time.Before(start.Truncate(time.Second)) {
			c.Status, c.Reason, c.Message = core.ConditionUnknown, "NodeRestarted", "the node restarted and its kubelet has not reported yet"
			_, err = client.CoreV1().Nodes().UpdateStatus(ctx, node, meta.UpdateOptions{})
			return err
		}
	}
	return nil
}

func nodeReady(ctx context.Context, client kubernetes.Interface, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == core.NodeReady && c.Status != core.ConditionTrue {
			return fmt.Errorf("%s: %s", c.Reason, c.Message)
		} else if c.Type == core.NodeReady {
			return nil
		}
	}
	return fmt.Errorf("it has reported no condition")
}

func localPathClass() *storagev1.StorageClass {
	mode, policy := storagev1.VolumeBindingWaitForFirstConsumer, core.PersistentVolumeReclaimDelete
	return &storagev1.StorageClass{
		ObjectMeta:  meta.ObjectMeta{Name: "local-path", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisionerName, VolumeBindingMode: &mode, ReclaimPolicy: &policy,
	}
}

// dnsServiceObject selects no pods: CoreDNS runs as a process of the node, and keepDNS says where.
func dnsServiceObject(o *options) *core.Service {
	return &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: dnsService, Namespace: systemNamespace, Labels: map[string]string{"k8s-app": dnsService, "kubernetes.io/name": "CoreDNS"}},
		Spec: core.ServiceSpec{
			ClusterIP: o.dnsServiceIP().String(),
			Ports:     []core.ServicePort{{Name: "dns", Protocol: core.ProtocolUDP, Port: 53}, {Name: "dns-tcp", Protocol: core.ProtocolTCP, Port: 53}},
		},
	}
}

// runDNS starts CoreDNS and publishes it as the endpoint of kube-dns while it answers.
func runDNS(ctx context.Context, s *supervisor, client kubernetes.Interface, o *options) {
	if o.disabled["coredns"] {
		return
	}
	s.keep(component{name: "coredns", argv: []string{"/usr/local/bin/coredns", "-conf", corefile}})
	published, interval := false, 50*time.Millisecond
	for ctx.Err() == nil {
		answers := dnsAnswers(ctx, o.address, "kubernetes.default.svc."+o.clusterDomain+".") == nil
		if answers != published {
			if err := publishDNS(ctx, client, o.address, answers); err == nil {
				published = answers
				say("cluster DNS %s", map[bool]string{true: "answers", false: "does not answer any more"}[answers])
			}
		}
		if published {
			interval = 2 * time.Second
		} else {
			interval = 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

func dnsAnswers(ctx context.Context, address, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(address, dnsPort))
	}}
	_, err := resolver.LookupNetIP(ctx, "ip4", name)
	return err
}

func publishDNS(ctx context.Context, client kubernetes.Interface, address string, ready bool) error {
	port, _ := strconv.ParseInt(dnsPort, 10, 32)
	number := int32(port)
	var ports []discovery.EndpointPort
	for name, protocol := range map[string]core.Protocol{"dns": core.ProtocolUDP, "dns-tcp": core.ProtocolTCP} {
		ports = append(ports, discovery.EndpointPort{Name: &name, Protocol: &protocol, Port: &number})
	}
	slice := &discovery.EndpointSlice{
		ObjectMeta: meta.ObjectMeta{Name: dnsService + "-" + standIn, Namespace: systemNamespace, Labels: map[string]string{
			discovery.LabelServiceName: dnsService, discovery.LabelManagedBy: standIn + ".bay-e2e.dev",
		}},
		AddressType: discovery.AddressTypeIPv4,
		Endpoints:   []discovery.Endpoint{{Addresses: []string{address}, Conditions: discovery.EndpointConditions{Ready: &ready}}},
		Ports:       ports,
	}
	slices := client.DiscoveryV1().EndpointSlices(systemNamespace)
	_, err := slices.Update(ctx, slice, meta.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = slices.Create(ctx, slice, meta.CreateOptions{})
	}
	return err
}
