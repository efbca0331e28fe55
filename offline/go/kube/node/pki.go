package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The authority and the key of service accounts outlive a restart, so that kubeconfigs and tokens stay valid;
// the other certificates are made anew at each start.
const pkiFolder = stateFolder + "/server/tls"

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

type leaf struct {
	name, commonName, organization string
	hosts                          []string
}

// preparePKI makes what is missing below pkiFolder.
func preparePKI(o *options) error {
	if err := os.MkdirAll(pkiFolder, 0o700); err != nil {
		return err
	}
	ca, err := loadAuthority()
	if err != nil {
		return err
	}
	if err := ensureServiceAccountKey(); err != nil {
		return err
	}
	api := append([]string{"127.0.0.1", o.address, o.apiServiceIP().String(), "localhost", o.nodeName, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + o.clusterDomain}, o.tlsSANs...)
	if hostname, err := os.Hostname(); err == nil {
		api = append(api, hostname)
	}
	for _, l := range []leaf{
		{"apiserver", "kube-apiserver", "", append(api, localAddresses()...)},
		{"admin", "system:admin", "system:masters", nil},
		kubeletLeaf(o.nodeName, o.address),
	} {
		if err := ca.issue(l); err != nil {
			return err
		}
	}
	return nil
}

func loadAuthority() (*authority, error) {
	certificateFile, keyFile := pkiPath("ca.crt"), pkiPath("ca.key")
	certificatePEM, errCertificate := os.ReadFile(certificateFile)
	keyPEM, errKey := os.ReadFile(keyFile)
	if errCertificate == nil && errKey == nil {
		certificateBlock, _ := pem.Decode(certificatePEM)
		keyBlock, _ := pem.Decode(keyPEM)
		if certificateBlock != nil && keyBlock != nil {
			certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
			if err != nil {
				return nil, err
			}
			key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
			return &authority{certificate, key}, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificateTemplate(3650 * 24 * time.Hour)
	template.Subject = pkix.Name{CommonName: standIn + "-ca"}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	// The certificate comes last: its presence means that both are whole.
	if err := writeKey(keyFile, key); err != nil {
		return nil, err
	}
	return &authority{certificate, key}, writePEM(certificateFile, "CERTIFICATE", raw)
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func kubeletLeaf(node, address string) leaf {
	return leaf{"kubelet", "system:node:" + node, "system:nodes", []string{node, address, "127.0.0.1"}}
}

func (a *authority) issue(l leaf) error {
	certificate, key, err := a.sign(l)
	if err != nil {
		return err
	}
	if err := writeWhole(pkiPath(l.name+".key"), key, 0o600); err != nil {
		return err
	}
	return writeWhole(pkiPath(l.name+".crt"), certificate, 0o600)
}

// sign makes a key and its certificate.
func (a *authority) sign(l leaf) (certificatePEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := certificateTemplate(825 * 24 * time.Hour)
	template.Subject = pkix.Name{CommonName: l.commonName}
	if l.organization != "" {
		template.Subject.Organization = []string{l.organization}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range l.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	rawKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: rawKey}), nil
}

func ensureServiceAccountKey() error {
	if _, err := os.Stat(pkiPath("sa.pub")); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writeKey(pkiPath("sa.key"), key); err != nil {
		return err
	}
	return writePEM(pkiPath("sa.pub"), "PUBLIC KEY", public)
}

func certificateTemplate(validity time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	// An hour back, for clients whose clock is behind.
	return &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity)}
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", raw)
}

func writePEM(path, kind string, raw []byte) error {
	return writeWhole(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600)
}

func pkiPath(name string) string { return filepath.Join(pkiFolder, name) }
