package main

import (
	"context"
	"crypto/hmac"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"

	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// admitAgents answers agents until the context ends.
func admitAgents(ctx context.Context, client kubernetes.Interface, o *options) error {
	until(ctx, "the rights of agents", func() error { return grantAgents(ctx, client) })
	ca, err := loadAuthority()
	if err != nil {
		return err
	}
	port, err := joinPort(o.port)
	if err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(pkiPath("apiserver.crt"), pkiPath("apiserver.key"))
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort("", port), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &gate{client: client, options: o, ca: ca}, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go func() { _ = server.Serve(listener) }()
	say("agents may join")
	return nil
}

type gate struct {
	client  kubernetes.Interface
	options *options
	ca      *authority
}

var nodeNamePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4096))
	var request joinRequest
	if err != nil || r.Method != http.MethodPost || r.URL.Path != joinPath || json.Unmarshal(body, &request) != nil {
		http.Error(w, "a join request is wanted", http.StatusBadRequest)
		return
	}
	wanted, err := proof(g.options.token, "agent", r.TLS, body)
	if err != nil || !hmac.Equal([]byte(wanted), []byte(r.Header.Get(proofHeader))) {
		say("refused %s: its token is another", r.RemoteAddr)
		http.Error(w, "the token is another than the server's K3S_TOKEN", http.StatusUnauthorized)
		return
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	if !nodeNamePattern.MatchString(request.Node) || request.Node == g.options.nodeName {
		http.Error(w, fmt.Sprintf("node name %q is the server's, or no name", request.Node), http.StatusConflict)
		return
	}
	answer, err := g.admit(r.Context(), request.Node, address)
	if err == nil {
		var own string
		if own, err = proof(g.options.token, "server", r.TLS, answer); err == nil {
			w.Header().Set(proofHeader, own)
			_, err = w.Write(answer)
		}
	}
	if err != nil {
		say("agent %s: %v", request.Node, err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	say("agent %s joins from %s", request.Node, address)
}

func (g *gate) admit(ctx context.Context, node, address string) ([]byte, error) {
	if err := markNodeUnknown(ctx, g.client, node, time.Now()); err != nil {
		return nil, err
	}
	o := g.options
	answer := joinAnswer{CA: g.ca.pem(), ClusterCIDR: o.clusterCIDR.String(), ServiceCIDR: o.serviceCIDR.String(), ClusterDomain: o.clusterDomain}
	var err error
	if answer.KubeletCert, answer.KubeletKey, err = g.ca.sign(kubeletLeaf(node, address)); err != nil {
		return nil, err
	}
	if answer.AgentCert, answer.AgentKey, err = g.ca.sign(leaf{commonName: "bay-e2e.dev:node-agent:" + node, organization: agentsGroup}); err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// grantAgents lets agents follow nodes, services and what network policies are about, and make the volumes of their nodes.
func grantAgents(ctx context.Context, client kubernetes.Interface) error {
	const name = "bay-e2e.dev:node-agent"
	read := []string{"get", "list", "watch"}
	role := &rbac.ClusterRole{ObjectMeta: meta.ObjectMeta{Name: name}, Rules: []rbac.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes", "persistentvolumeclaims"}, Verbs: read},
		{APIGroups: []string{""}, Resources: []string{"pods", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: read},
		{APIGroups: []string{""}, Resources: []string{"persistentvolumes"}, Verbs: append(read, "create", "delete")},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}}
	roles := client.RbacV1()
	_, err := roles.ClusterRoles().Create(ctx, role, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		// Of an earlier image, perhaps, whose agents needed less.
		_, err = roles.ClusterRoles().Update(ctx, role, meta.UpdateOptions{})
	}
	if err != nil {
		return err
	}
	for _, granted := range []string{name, "system:node-proxier"} {
		binding := &rbac.ClusterRoleBinding{
			ObjectMeta: meta.ObjectMeta{Name: "bay-e2e.dev:" + granted + ":agents"},
			RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: granted},
			Subjects:   []rbac.Subject{{APIGroup: rbac.GroupName, Kind: rbac.GroupKind, Name: agentsGroup}},
		}
		if _, err := roles.ClusterRoleBindings().Create(ctx, binding, meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func joinPort(apiPort string) (string, error) {
	number, err := strconv.ParseUint(apiPort, 10, 16)
	return strconv.FormatUint(number+1, 10), err
}
