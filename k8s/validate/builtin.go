package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"

	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
)

// strategies are what the API server creates each kind with. A kind that isn't here is refused:
// that the manifests grew by one must not mean that nobody looks at it.
var strategies = map[schema.GroupVersionKind]rest.RESTCreateStrategy{
	{Version: "v1", Kind: "ConfigMap"}:                                     configmap.Strategy,
	{Version: "v1", Kind: "Namespace"}:                                     namespace.Strategy,
	{Version: "v1", Kind: "Secret"}:                                        secret.Strategy,
	{Version: "v1", Kind: "Service"}:                                       service.Strategy,
	{Version: "v1", Kind: "ServiceAccount"}:                                serviceaccount.Strategy,
	{Group: "apps", Version: "v1", Kind: "Deployment"}:                     deployment.Strategy,
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}:                    statefulset.Strategy,
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}: horizontalpodautoscaler.Strategy,
	{Group: "batch", Version: "v1", Kind: "Job"}:                           job.Strategy,
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}:           ingress.Strategy,
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}:     networkpolicy.Strategy,
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}:          poddisruptionbudget.Strategy,
}

var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func checkBuiltin(o object, namespaces levels) []error {
	kind := o.content.GroupVersionKind()
	strategy, known := strategies[kind]
	if !known {
		return []error{fmt.Errorf("no validation for %s", kind)}
	}
	// Decodes strictly and fills in the defaults.
	versioned, _, err := strict.Decode(o.json, nil, nil)
	if err != nil {
		return []error{err}
	}
	legacyscheme.Scheme.Default(versioned)
	var problems []error
	if pod, found := podTemplate(versioned); found {
		problems = namespaces.admit(o.content.GetNamespace(), pod)
	}
	warnings := &collected{}
	ctx := warning.WithWarningRecorder(genericapirequest.NewContext(), warnings)
	ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{
		APIGroup: kind.Group, APIVersion: kind.Version, Verb: "create",
	})
	if err := create(ctx, strategy, kind, versioned); err != nil {
		problems = append(problems, err)
	}
	for _, text := range warnings.texts {
		problems = append(problems, fmt.Errorf("warning: %s", text))
	}
	return problems
}

// create does what the handler of a POST does before it stores the object.
func create(ctx context.Context, strategy rest.RESTCreateStrategy, kind schema.GroupVersionKind, versioned runtime.Object) error {
	internal, err := legacyscheme.Scheme.ConvertToVersion(
		versioned, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return err
	}
	if service, is := internal.(*core.Service); is && service.Spec.ClusterIP != "" {
		// The storage of services copies it before it validates.
		service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
	}
	accessor, err := meta.Accessor(internal)
	if err != nil {
		return err
	}
	if strategy.NamespaceScoped() {
		if accessor.GetNamespace() == "" {
			return fmt.Errorf("metadata.namespace is missing: it would land wherever kubectl points")
		}
		ctx = genericapirequest.WithNamespace(ctx, accessor.GetNamespace())
	} else {
		ctx = genericapirequest.WithNamespace(ctx, metav1.NamespaceNone)
	}
	rest.FillObjectMetaSystemFields(accessor)
	accessor.SetUID(types.UID("00000000-0000-0000-0000-000000000000"))
	return rest.BeforeCreate(strategy, ctx, internal)
}

// collected keeps the warnings that a client would print.
type collected struct{ texts []string }

func (c *collected) AddWarning(_, text string) { c.texts = append(c.texts, text) }

// podTemplate returns the template of the pods that an object makes.
func podTemplate(o runtime.Object) (corev1.PodTemplateSpec, bool) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return corev1.PodTemplateSpec{}, false
	}
	spec, _ := content["spec"].(map[string]any)
	template, found := spec["template"].(map[string]any)
	if !found {
		return corev1.PodTemplateSpec{}, false
	}
	var pod corev1.PodTemplateSpec
	err = runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod)
	return pod, err == nil
}
