package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// An agent asks the server to let it in at each start, over TLS on the port after the API server's. Neither knows the
// other's certificate yet: each proves by the shared token, and by what only the two ends of this very connection
// know, that it is no third party in between. The answer holds the keys with which the agent's parts then log in.

const (
	joinPath = "/v1/join"
	// agentsGroup is the group of the users as whom agents do their node's duties beside the kubelet's.
	agentsGroup = "bay-e2e.dev:node-agents"
	proofHeader = "X-Proof"
	bindingUse  = "EXPORTER-bay-e2e-join"
)

type joinRequest struct {
	Node string `json:"node"`
}

type joinAnswer struct {
	CA            []byte `json:"ca"`
	KubeletCert   []byte `json:"kubeletCert"`
	KubeletKey    []byte `json:"kubeletKey"`
	AgentCert     []byte `json:"agentCert"`
	AgentKey      []byte `json:"agentKey"`
	ClusterCIDR   string `json:"clusterCIDR"`
	ServiceCIDR   string `json:"serviceCIDR"`
	ClusterDomain string `json:"clusterDomain"`
}

// proof is what only a holder of the token can say on this connection; the role keeps one from being sent back.
func proof(token, role string, state *tls.ConnectionState, message []byte) (string, error) {
	binding, err := state.ExportKeyingMaterial(bindingUse, nil, 32)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(token))
	for _, part := range [][]byte{[]byte(role), binding, message} {
		fmt.Fprintf(mac, "%d:", len(part))
		mac.Write(part)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// join asks the server until it lets this node in, and takes over what it says of the cluster.
func join(ctx context.Context, o *options) (joinAnswer, error) {
	server, err := url.Parse(o.server)
	if err != nil {
		return joinAnswer{}, err
	}
	port, err := joinPort(server.Port())
	if err != nil {
		return joinAnswer{}, fmt.Errorf("--server=%s: %w", o.server, err)
	}
	var answer joinAnswer
	until(ctx, "the server to let this node in", func() (err error) {
		answer, err = joinOnce(ctx, o, net.JoinHostPort(server.Hostname(), port))
		return err
	})
	if ctx.Err() != nil {
		return answer, ctx.Err()
	}
	if o.clusterCIDR, err = netip.ParsePrefix(answer.ClusterCIDR); err != nil {
		return answer, err
	}
	if o.serviceCIDR, err = netip.ParsePrefix(answer.ServiceCIDR); err != nil {
		return answer, err
	}
	o.clusterDomain = answer.ClusterDomain
	return answer, nil
}

func joinOnce(ctx context.Context, o *options, address string) (answer joinAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// Whose certificate it is, the proofs say.
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}} //nolint:gosec // see above
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return answer, err
	}
	defer connection.Close()
	state := connection.(*tls.Conn).ConnectionState()
	body, err := json.Marshal(joinRequest{Node: o.nodeName})
	if err != nil {
		return answer, err
	}
	own, err := proof(o.token, "agent", &state, body)
	if err != nil {
		return answer, err
	}
	content, theirs, err := post(ctx, connection, address, own, body)
	if err != nil {
		return answer, err
	}
	wanted, err := proof(o.token, "server", &state, content)
	if err != nil {
		return answer, err
	}
	if !hmac.Equal([]byte(wanted), []byte(theirs)) {
		return answer, fmt.Errorf("%s does not know the token", address)
	}
	// The server signed for the address that it saw.
	o.address, _, _ = net.SplitHostPort(connection.LocalAddr().String())
	return answer, json.Unmarshal(content, &answer)
}

// post sends one request over a connection that is there already.
func post(ctx context.Context, connection net.Conn, address, ownProof string, body []byte) (content []byte, theirProof string, err error) {
	client := http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return connection, nil }}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+joinPath, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set(proofHeader, ownProof)
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	content, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(content))
	}
	return content, response.Header.Get(proofHeader), err
}
