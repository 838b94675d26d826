package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// levels are the Pod Security levels that the namespaces of a file enforce.
type levels map[string]api.LevelVersion

// learn notes the level if the object is a namespace.
func (l levels) learn(o *unstructured.Unstructured) {
	if o.GetKind() != "Namespace" || o.GroupVersionKind().Group != "" {
		return
	}
	parsed, _ := api.PolicyToEvaluate(o.GetLabels(), api.Policy{})
	l[o.GetName()] = parsed.Enforce
}

// admit says why the namespace would refuse the pod, or that nobody enforces anything on it.
func (l levels) admit(namespace string, pod corev1.PodTemplateSpec) []error {
	level, found := l[namespace]
	if !found || level.Level != api.LevelRestricted {
		return []error{fmt.Errorf("namespace %q doesn't enforce the level restricted", namespace)}
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []error{err}
	}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	if result.Allowed {
		return nil
	}
	return []error{fmt.Errorf("pod security %q: %s", level.String(), result.ForbiddenDetail())}
}
