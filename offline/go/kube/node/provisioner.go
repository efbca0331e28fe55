package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	provisionerName = "rancher.io/local-path"
	storageFolder   = stateFolder + "/storage"
)

// A provisioner makes a folder of the node a volume when a claim asks for one, and removes it with the volume.
type provisioner struct {
	client   kubernetes.Interface
	nodeName string
	events   record.EventRecorder
	classes  func(name string) (*storage.StorageClass, error)
	queue    workqueue.TypedRateLimitingInterface[any]
}

// provision runs until the context ends.
func provision(ctx context.Context, client kubernetes.Interface, o *options) error {
	if o.disabled["local-storage"] {
		return nil
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	classes := factory.Storage().V1().StorageClasses()
	p := &provisioner{
		client: client, nodeName: o.nodeName, classes: classes.Lister().Get,
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
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer
	if waits && claim.Annotations["volume.kubernetes.io/selected-node"] == "" {
		return nil
	}
	if reason := unsupported(claim); reason != "" {
		p.events.Event(claim, core.EventTypeWarning, "ProvisioningFailed", reason)
		return nil
	}
	volume := p.volumeFor(claim, class)
	// Any user of a pod may write, as with k3s' own provisioner; the process's mask must not take that away.
	if err := os.MkdirAll(volume.Spec.HostPath.Path, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(volume.Spec.HostPath.Path, 0o777); err != nil {
		return err
	}
	if _, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	p.events.Eventf(claim, core.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s", volume.Name)
	return nil
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

func (p *provisioner) volumeFor(claim *core.PersistentVolumeClaim, class *storage.StorageClass) *core.PersistentVolume {
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
			PersistentVolumeSource:        core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: filepath.Join(storageFolder, fmt.Sprintf("%s_%s_%s", name, claim.Namespace, claim.Name)), Type: &kind}},
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
	ours := volume.Annotations["pv.kubernetes.io/provisioned-by"] == provisionerName && volume.Spec.PersistentVolumeReclaimPolicy == core.PersistentVolumeReclaimDelete
	if !ours || volume.Status.Phase != core.VolumeReleased {
		return nil
	}
	// A path that an edited volume points elsewhere is not ours to remove.
	if path := volume.Spec.HostPath; path != nil && filepath.Dir(filepath.Clean(path.Path)) == storageFolder {
		if err := os.RemoveAll(path.Path); err != nil {
			return err
		}
	}
	err = p.client.CoreV1().PersistentVolumes().Delete(ctx, name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
