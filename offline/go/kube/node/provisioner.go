package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const provisionerName = "rancher.io/local-path"

// storage says where the volumes of a node are.
type storage struct {
	nodeName string
	// folder on the node; each volume is one below it.
	folder string
	// root is where the node's files are seen from here: empty, or the folder where a pod has them.
	root string
}

// A provisioner makes a folder of its own node a volume when a claim of a pod on this node asks for one, and removes
// it with the volume. Each node has one.
type provisioner struct {
	storage
	client  kubernetes.Interface
	events  record.EventRecorder
	classes func(name string) (*storagev1.StorageClass, error)
	nodes   func(labels.Selector) ([]*core.Node, error)
	queue   workqueue.TypedRateLimitingInterface[any]
}

// provision runs until the context ends.
func provision(ctx context.Context, client kubernetes.Interface, where storage) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	classes, nodes := factory.Storage().V1().StorageClasses(), factory.Core().V1().Nodes()
	p := &provisioner{
		storage: where, client: client, classes: classes.Lister().Get, nodes: nodes.Lister().List,
		events: broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: provisionerName}),
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[any](100*time.Millisecond, 30*time.Second)),
	}
	watched := []cache.SharedIndexInformer{factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer()}
	for _, informer := range watched {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: p.enqueue, UpdateFunc: func(_, now any) { p.enqueue(now) }}); err != nil {
			return err
		}
	}
	classes.Informer()
	nodes.Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go func() {
		<-ctx.Done()
		p.queue.ShutDown()
	}()
	for {
		item, done := p.queue.Get()
		if done {
			return nil
		}
		p.handle(ctx, item)
	}
}

// Work items are names, so that many updates of one object are one piece of work.
type claimKey struct{ namespace, name string }
type volumeKey struct{ name string }

func (p *provisioner) enqueue(object any) {
	switch o := object.(type) {
	case *core.PersistentVolumeClaim:
		if o.Spec.VolumeName == "" {
			p.queue.Add(claimKey{o.Namespace, o.Name})
		}
	case *core.PersistentVolume:
		if o.Status.Phase == core.VolumeReleased {
			p.queue.Add(volumeKey{o.Name})
		}
	}
}

func (p *provisioner) handle(ctx context.Context, item any) {
	defer p.queue.Done(item)
	var err error
	switch key := item.(type) {
	case claimKey:
		err = p.create(ctx, key)
	case volumeKey:
		err = p.remove(ctx, key.name)
	}
	if err != nil && ctx.Err() == nil {
		say("provisioner: %v: %v", item, err)
		p.queue.AddRateLimited(item)
		return
	}
	p.queue.Forget(item)
}

func (p *provisioner) create(ctx context.Context, key claimKey) error {
	claim, err := p.client.CoreV1().PersistentVolumeClaims(key.namespace).Get(ctx, key.name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Annotations["volume.kubernetes.io/storage-provisioner"] != provisionerName {
		return nil
	}
	class, err := p.classes(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	if mine, err := p.isMine(claim, class); err != nil || !mine {
		return err
	}
	if reason := unsupported(claim); reason != "" {
		p.events.Event(claim, core.EventTypeWarning, "ProvisioningFailed", reason)
		return nil
	}
	volume := p.volumeFor(claim, class)
	// Any user of a pod may write, as with k3s' own provisioner; the process's mask must not take that away.
	if err := os.MkdirAll(p.root+volume.Spec.HostPath.Path, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(p.root+volume.Spec.HostPath.Path, 0o777); err != nil {
		return err
	}
	if _, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	p.events.Eventf(claim, core.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s", volume.Name)
	return nil
}

// isMine says whether this node's provisioner makes a claim's volume: the one of the node that the scheduler chose
// for the pod or, of a class that does not wait for a pod, that of the first node by name where any pod may run.
func (p *provisioner) isMine(claim *core.PersistentVolumeClaim, class *storagev1.StorageClass) (bool, error) {
	if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
		return claim.Annotations["volume.kubernetes.io/selected-node"] == p.nodeName, nil
	}
	nodes, err := p.nodes(labels.Everything())
	if err != nil {
		return false, err
	}
	first := ""
	for _, node := range nodes {
		if !node.Spec.Unschedulable && len(node.Spec.Taints) == 0 && (first == "" || node.Name < first) {
			first = node.Name
		}
	}
	if first == "" {
		return false, fmt.Errorf("no node takes pods now")
	}
	return first == p.nodeName, nil
}

func unsupported(claim *core.PersistentVolumeClaim) string {
	if mode := claim.Spec.VolumeMode; mode != nil && *mode != core.PersistentVolumeFilesystem {
		return fmt.Sprintf("volumeMode %s is not supported; wanted Filesystem", *mode)
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != core.ReadWriteOnce && mode != core.ReadWriteOncePod {
			return fmt.Sprintf("access mode %s is not supported; wanted %s or %s", mode, core.ReadWriteOnce, core.ReadWriteOncePod)
		}
	}
	return ""
}

func (p *provisioner) volumeFor(claim *core.PersistentVolumeClaim, class *storagev1.StorageClass) *core.PersistentVolume {
	name, kind, mode := "pvc-"+string(claim.UID), core.HostPathDirectoryOrCreate, core.PersistentVolumeFilesystem
	policy := core.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisionerName}},
		Spec: core.PersistentVolumeSpec{
			Capacity:                      map[core.ResourceName]resource.Quantity{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &mode,
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			ClaimRef:                      &core.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource:        core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: filepath.Join(p.folder, fmt.Sprintf("%s_%s_%s", name, claim.Namespace, claim.Name)), Type: &kind}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{p.nodeName}}},
			}}}},
		},
	}
}

func (p *provisioner) remove(ctx context.Context, name string) error {
	volume, err := p.client.CoreV1().PersistentVolumes().Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := volume.Annotations["pv.kubernetes.io/provisioned-by"] == provisionerName && p.isHere(volume) && volume.Spec.PersistentVolumeReclaimPolicy == core.PersistentVolumeReclaimDelete
	if !ours || volume.Status.Phase != core.VolumeReleased {
		return nil
	}
	// A path that an edited volume points elsewhere is not ours to remove.
	if source := volume.Spec.HostPath; source != nil {
		if path := filepath.Clean(source.Path); filepath.Dir(path) == p.folder {
			// It follows no link in the volume, whose files are a tenant's.
			if err := os.RemoveAll(p.root + path); err != nil {
				return err
			}
		}
	}
	err = p.client.CoreV1().PersistentVolumes().Delete(ctx, name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// isHere says whether a volume's folder is one of this node.
func (p *provisioner) isHere(volume *core.PersistentVolume) bool {
	affinity := volume.Spec.NodeAffinity
	if affinity == nil || affinity.Required == nil || len(affinity.Required.NodeSelectorTerms) != 1 || len(affinity.Required.NodeSelectorTerms[0].MatchExpressions) != 1 {
		return false
	}
	rule := affinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
	return rule.Key == core.LabelHostname && len(rule.Values) == 1 && rule.Values[0] == p.nodeName
}
