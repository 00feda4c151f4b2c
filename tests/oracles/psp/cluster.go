package main

import (
	"encoding/json"
	"fmt"
	"sort"

	v1 "k8s.io/api/core/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	rbacvalidation "k8s.io/kubernetes/pkg/apis/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// Cluster is what a question holds.
type Cluster struct {
	Objects  []json.RawMessage `json:"objects"`
	User     string            `json:"user"`
	Groups   []string          `json:"groups"`
	Everyone bool              `json:"everyone"`
	NoTokens bool              `json:"noTokens"`
}

// Answer is what is said of a cluster's Pods.
type Answer struct {
	Error string    `json:"error,omitempty"`
	Pods  []Verdict `json:"pods,omitempty"`
}

// stored are a cluster's objects as the API server keeps them.
type stored struct {
	policies            []*policyv1beta1.PodSecurityPolicy
	roles               []*rbacv1.Role
	clusterRoles        []*rbacv1.ClusterRole
	roleBindings        []*rbacv1.RoleBinding
	clusterRoleBindings []*rbacv1.ClusterRoleBinding
	accounts            []*v1.ServiceAccount
}

func (c Cluster) answer() Answer {
	var held stored
	var pods []json.RawMessage
	for _, raw := range c.Objects {
		var kind metav1.TypeMeta
		if err := json.Unmarshal(raw, &kind); err != nil {
			return Answer{Error: err.Error()}
		}
		if kind.Kind == "Pod" {
			pods = append(pods, raw)
		} else if err := held.add(raw); err != nil {
			return Answer{Error: err.Error()}
		}
	}
	held.bootstrap()
	held.aggregate()
	judge, err := newJudge(held, c)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	answer := Answer{Pods: []Verdict{}}
	for _, raw := range pods {
		answer.Pods = append(answer.Pods, judge.verdict(raw))
	}
	return answer
}

// decode reads an object as the API server does, into the internal version; its defaults are filled in.
func decode(raw []byte) (runtime.Object, error) {
	var kind metav1.TypeMeta
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, err
	}
	given := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	if given.Kind == "PodSecurityPolicy" && given.Group == "extensions" {
		given.Group = "policy" // the same types, until 1.16
		var object map[string]interface{}
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		object["apiVersion"] = given.GroupVersion().String()
		raw, _ = json.Marshal(object)
	}
	return runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), raw)
}

func (s *stored) add(raw []byte) error {
	object, err := decode(raw)
	if err != nil {
		return err
	}
	if err := namespaced(object); err != nil {
		return err
	}
	if errs := refused(object); len(errs) > 0 {
		return fmt.Errorf("%T: %v", object, errs.ToAggregate())
	}
	switch object := object.(type) {
	case *policy.PodSecurityPolicy:
		found := &policyv1beta1.PodSecurityPolicy{}
		s.policies, err = append(s.policies, found), convert(object, found)
	case *rbac.Role:
		found := &rbacv1.Role{}
		s.roles, err = append(s.roles, found), convert(object, found)
	case *rbac.ClusterRole:
		found := &rbacv1.ClusterRole{}
		s.clusterRoles, err = append(s.clusterRoles, found), convert(object, found)
	case *rbac.RoleBinding:
		found := &rbacv1.RoleBinding{}
		s.roleBindings, err = append(s.roleBindings, found), convert(object, found)
	case *rbac.ClusterRoleBinding:
		found := &rbacv1.ClusterRoleBinding{}
		s.clusterRoleBindings, err = append(s.clusterRoleBindings, found), convert(object, found)
	case *core.ServiceAccount:
		found := &v1.ServiceAccount{}
		s.accounts, err = append(s.accounts, found), convert(object, found)
	case *core.Namespace:
	default:
		return fmt.Errorf("%T isn't looked at", object)
	}
	return err
}

func namespaced(object runtime.Object) error {
	switch object := object.(type) {
	case *rbac.Role:
		inDefault(&object.ObjectMeta)
	case *rbac.RoleBinding:
		inDefault(&object.ObjectMeta)
	case *core.ServiceAccount:
		inDefault(&object.ObjectMeta)
	}
	return nil
}

func inDefault(meta *metav1.ObjectMeta) {
	if meta.Namespace == "" {
		meta.Namespace = "default"
	}
}

func convert(from runtime.Object, to runtime.Object) error {
	return legacyscheme.Scheme.Convert(from, to, nil)
}

// refused is what the API's own validation says.
func refused(object runtime.Object) field.ErrorList {
	switch object := object.(type) {
	case *policy.PodSecurityPolicy:
		return policyvalidation.ValidatePodSecurityPolicy(object)
	case *rbac.Role:
		return rbacvalidation.ValidateRole(object)
	case *rbac.ClusterRole:
		return rbacvalidation.ValidateClusterRole(object)
	case *rbac.RoleBinding:
		return rbacvalidation.ValidateRoleBinding(object)
	case *rbac.ClusterRoleBinding:
		return rbacvalidation.ValidateClusterRoleBinding(object)
	}
	return nil
}

var (
	ownRoles    = append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...)
	ownBindings = append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...)
)

// bootstrap adds the roles and bindings that the API server makes itself, where none of that name was given.
func (s *stored) bootstrap() {
	roles, bindings := map[string]bool{}, map[string]bool{}
	for _, given := range s.clusterRoles {
		roles[given.Name] = true
	}
	for _, given := range s.clusterRoleBindings {
		bindings[given.Name] = true
	}
	for _, own := range ownRoles {
		if !roles[own.Name] {
			s.clusterRoles = append(s.clusterRoles, own.DeepCopy())
		}
	}
	for _, own := range ownBindings {
		if !bindings[own.Name] {
			s.clusterRoleBindings = append(s.clusterRoleBindings, own.DeepCopy())
		}
	}
}

// aggregate does what the controller of ClusterRoles does, pkg/controller/clusterroleaggregation, until nothing changes.
func (s *stored) aggregate() {
	sort.SliceStable(s.clusterRoles, func(i, j int) bool { return s.clusterRoles[i].Name < s.clusterRoles[j].Name })
	for changed, round := true, 0; changed && round <= len(s.clusterRoles); round++ {
		changed = false
		for _, role := range s.clusterRoles {
			if role.AggregationRule == nil {
				continue
			}
			if rules := s.selected(role); !equality.Semantic.DeepEqual(rules, role.Rules) {
				role.Rules, changed = rules, true
			}
		}
	}
}

func (s *stored) selected(role *rbacv1.ClusterRole) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	held := map[string]bool{}
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			return role.Rules
		}
		for _, other := range s.clusterRoles {
			if other.Name == role.Name || !selector.Matches(labels.Set(other.Labels)) {
				continue
			}
			for _, rule := range other.Rules {
				if key := rule.String(); !held[key] {
					held[key], rules = true, append(rules, rule)
				}
			}
		}
	}
	return rules
}

// Validated is what the API says of a PodSecurityPolicy.
type Validated struct {
	Name   string                           `json:"name"`
	Error  string                           `json:"error,omitempty"`
	Stored *policyv1beta1.PodSecurityPolicy `json:"stored,omitempty"`
	Errors []Problem                        `json:"errors"`
}

func validated(raw []byte) Validated {
	object, err := decode(raw)
	if err != nil {
		return Validated{Error: err.Error(), Errors: []Problem{}}
	}
	given, ok := object.(*policy.PodSecurityPolicy)
	if !ok {
		return Validated{Error: fmt.Sprintf("%T is no PodSecurityPolicy", object), Errors: []Problem{}}
	}
	kept := &policyv1beta1.PodSecurityPolicy{}
	answer := Validated{Name: given.Name, Stored: kept, Errors: problems(refused(given))}
	if err := convert(given, kept); err != nil {
		answer.Error = err.Error()
	}
	return answer
}
