package main

import (
	"context"
	"sort"

	v1 "k8s.io/api/core/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	rbacregistry "k8s.io/kubernetes/pkg/registry/rbac/validation"
	psp "k8s.io/kubernetes/pkg/security/podsecuritypolicy"
	psputil "k8s.io/kubernetes/pkg/security/podsecuritypolicy/util"
	pspadmission "k8s.io/kubernetes/plugin/pkg/admission/security/podsecuritypolicy"
	accountadmission "k8s.io/kubernetes/plugin/pkg/admission/serviceaccount"
	rbacauthorizer "k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
)

// Verdict is what is said of a Pod; main.go describes it.
type Verdict struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Error     string   `json:"error,omitempty"`
	Invalid   []string `json:"invalid,omitempty"`
	Created   *Pod     `json:"created,omitempty"`
	Tried     []Tried  `json:"tried,omitempty"`
	Allowed   bool     `json:"allowed"`
	Policy    string   `json:"policy,omitempty"`
	Pod       *Pod     `json:"pod,omitempty"`
	Message   string   `json:"message,omitempty"`
}

// Tried is what one policy makes of a Pod.
type Tried struct {
	Policy  string    `json:"policy"`
	Usable  bool      `json:"usable"`
	Mutated bool      `json:"mutated"`
	Error   string    `json:"error,omitempty"`
	Pod     *Pod      `json:"pod,omitempty"`
	Errors  []Problem `json:"errors"`
	AsItIs  []Problem `json:"asItIs"`
}

// Pod is a Pod without what the judge adds.
type Pod struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     v1.PodSpec        `json:"spec"`
}

// Problem is a field.Error.
type Problem struct {
	Type   string      `json:"type"`
	Path   string      `json:"path"`
	Value  interface{} `json:"value"`
	Detail string      `json:"detail"`
	Text   string      `json:"text"`
}

func problems(errs field.ErrorList) []Problem {
	found := []Problem{}
	for _, err := range errs {
		found = append(found, Problem{err.Type.String(), err.Field, err.BadValue, err.Detail, err.Error()})
	}
	return found
}

type judge struct {
	policies []*policyv1beta1.PodSecurityPolicy
	factory  informers.SharedInformerFactory
	accounts *accountadmission.Plugin
	plugin   admission.Interface
	authz    authorizer.Authorizer
	user     user.Info
	asked    Cluster
}

func newJudge(held stored, asked Cluster) (*judge, error) {
	j := &judge{policies: held.policies, factory: informers.NewSharedInformerFactory(nil, 0), asked: asked}
	if asked.User != "" || len(asked.Groups) > 0 {
		j.user = &user.DefaultInfo{Name: asked.User, Groups: asked.Groups}
	}
	_, roles := rbacregistry.NewTestRuleResolver(held.roles, held.roleBindings, held.clusterRoles, held.clusterRoleBindings)
	j.authz = rbacauthorizer.New(roles, roles, roles, roles)
	if asked.Everyone {
		j.authz = authorizerfactory.NewAlwaysAllowAuthorizer()
	}
	sort.SliceStable(j.policies, func(a, b int) bool { return j.policies[a].Name < j.policies[b].Name })
	for _, policy := range held.policies {
		if err := j.factory.Policy().V1beta1().PodSecurityPolicies().Informer().GetIndexer().Add(policy); err != nil {
			return nil, err
		}
	}
	for _, account := range held.accounts {
		if err := j.factory.Core().V1().ServiceAccounts().Informer().GetIndexer().Add(account); err != nil {
			return nil, err
		}
	}
	j.accounts = accountadmission.NewServiceAccount()
	j.accounts.SetExternalKubeInformerFactory(j.factory)
	plugins := admission.NewPlugins()
	pspadmission.Register(plugins)
	var err error
	j.plugin, err = plugins.InitPlugin(pspadmission.PluginName, nil, j)
	return j, err
}

// Initialize gives the plugin what the API server gives it.
func (j *judge) Initialize(plugin admission.Interface) {
	plugin.(*pspadmission.Plugin).SetAuthorizer(j.authz)
	plugin.(*pspadmission.Plugin).SetExternalKubeInformerFactory(j.factory)
}

func (j *judge) verdict(raw []byte) Verdict {
	object, err := decode(raw)
	if err != nil {
		return Verdict{Error: err.Error()}
	}
	pod, ok := object.(*core.Pod)
	if !ok {
		return Verdict{Error: "it is no Pod of v1"}
	}
	inDefault(&pod.ObjectMeta)
	if pod.Name == "" {
		pod.Name = pod.GenerateName + "pod"
	}
	said := Verdict{Name: pod.Name, Namespace: pod.Namespace}
	if err := j.account(pod); err != nil {
		said.Error = err.Error()
		return said
	}
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&pod.Spec, nil, &pod.ObjectMeta, nil)
	for _, err := range validation.ValidatePodCreate(pod, options) {
		said.Invalid = append(said.Invalid, err.Error())
	}
	said.Created = shown(pod)
	for _, policy := range j.policies {
		said.Tried = append(said.Tried, j.tried(policy, pod))
	}
	if err := j.admitted(pod); err != nil {
		said.Message = err.Error()
		return said
	}
	said.Allowed, said.Policy = true, pod.Annotations[psputil.ValidatedPSPAnnotation]
	delete(pod.Annotations, psputil.ValidatedPSPAnnotation)
	said.Pod = shown(pod)
	return said
}

// account does what the ServiceAccount plugin does, after the account exists.
func (j *judge) account(pod *core.Pod) error {
	name := pod.Spec.ServiceAccountName
	if name == "" {
		name = accountadmission.DefaultServiceAccountName
	}
	known := j.factory.Core().V1().ServiceAccounts()
	if _, err := known.Lister().ServiceAccounts(pod.Namespace).Get(name); err != nil {
		made := &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: pod.Namespace}}
		if mounts := false; j.asked.NoTokens {
			made.AutomountServiceAccountToken = &mounts
		}
		if err := known.Informer().GetIndexer().Add(made); err != nil {
			return err
		}
	}
	rand.Seed(0) // the same name of the token's volume each time
	return j.accounts.Admit(context.Background(), j.attributes(pod), nil)
}

func (j *judge) attributes(pod *core.Pod) admission.Attributes {
	return admission.NewAttributesRecord(
		pod, nil, core.SchemeGroupVersion.WithKind("Pod"), pod.Namespace, pod.Name,
		core.SchemeGroupVersion.WithResource("pods"), "", admission.Create, &metav1.CreateOptions{}, false, j.user,
	)
}

// admitted are both passes of the admission: it changes the pod, then looks at what became of it.
func (j *judge) admitted(pod *core.Pod) error {
	attributes := j.attributes(pod)
	if err := j.plugin.(admission.MutationInterface).Admit(context.Background(), attributes, nil); err != nil {
		return err
	}
	return j.plugin.(admission.ValidationInterface).Validate(context.Background(), attributes, nil)
}

// tried is what computeSecurityContext does with one policy.
func (j *judge) tried(policy *policyv1beta1.PodSecurityPolicy, pod *core.Pod) Tried {
	said := Tried{Policy: policy.Name, Usable: j.mayUse(policy.Name, pod), Errors: []Problem{}, AsItIs: []Problem{}}
	provider, err := psp.NewSimpleProvider(policy, pod.Namespace, psp.NewSimpleStrategyFactory())
	if err != nil {
		said.Error = err.Error()
		return said
	}
	changed := pod.DeepCopy()
	if err := provider.MutatePod(changed); err != nil {
		said.Error = err.Error()
	}
	said.Errors = problems(provider.ValidatePod(changed))
	said.AsItIs = problems(provider.ValidatePod(pod.DeepCopy()))
	if said.Mutated = !equality.Semantic.DeepEqual(pod, changed); said.Mutated {
		said.Pod = shown(changed)
	}
	return said
}

// mayUse asks as isAuthorizedForPolicy of the plugin does.
func (j *judge) mayUse(name string, pod *core.Pod) bool {
	who := []user.Info{serviceaccount.UserInfo(pod.Namespace, pod.Spec.ServiceAccountName, "")}
	if j.user != nil {
		who = append(who, j.user)
	}
	for _, info := range who {
		for _, group := range []string{"policy", "extensions"} {
			decision, _, _ := j.authz.Authorize(context.Background(), authorizer.AttributesRecord{
				User: info, Verb: "use", Namespace: pod.Namespace, Name: name, APIGroup: group, APIVersion: "*",
				Resource: "podsecuritypolicies", ResourceRequest: true,
			})
			if decision == authorizer.DecisionAllow {
				return true
			}
		}
	}
	return false
}

func shown(pod *core.Pod) *Pod {
	var external v1.Pod
	if err := legacyscheme.Scheme.Convert(pod, &external, nil); err != nil {
		panic(err)
	}
	copied := external.DeepCopy() // the conversion shares memory with the pod
	return &Pod{copied.ObjectMeta, copied.Spec}
}
