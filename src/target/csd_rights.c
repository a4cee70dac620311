/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_rights.h"

#include "spdk/json.h"
#include "spdk/queue.h"
#include "spdk_internal/log.h"

struct csd_rule {
	char *nqn;
	char *host;
	enum csd_right right;
	bool logged;	/* that it refused */
	TAILQ_ENTRY(csd_rule) link;
};

/* Asked from every reactor, written by RPCs. Both are rare: no command of the data path comes here. */
static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, csd_rule) g_rules = TAILQ_HEAD_INITIALIZER(g_rules);

const char *
csd_right_name(enum csd_right right)
{
	return right == CSD_RIGHT_LOAD ? "load" : "run";
}

int
csd_right_parse(const char *name, enum csd_right *right)
{
	if (strcmp(name, "load") == 0) {
		*right = CSD_RIGHT_LOAD;
	} else if (strcmp(name, "run") == 0) {
		*right = CSD_RIGHT_RUN;
	} else {
		return -EINVAL;
	}
	return 0;
}

static struct csd_rule *
rights_rule_find(const char *nqn, const char *host)
{
	struct csd_rule *rule;

	TAILQ_FOREACH(rule, &g_rules, link) {
		if (strcmp(rule->nqn, nqn) == 0 && strcmp(rule->host, host) == 0) {
			return rule;
		}
	}
	return NULL;
}

static void
rights_rule_free(struct csd_rule *rule)
{
	if (rule != NULL) {
		free(rule->nqn);
		free(rule->host);
		free(rule);
	}
}

static struct csd_rule *
rights_rule_new(const char *nqn, const char *host)
{
	struct csd_rule *rule = calloc(1, sizeof(*rule));

	if (rule == NULL) {
		return NULL;
	}
	rule->nqn = strdup(nqn);
	rule->host = strdup(host);
	if (rule->nqn == NULL || rule->host == NULL) {
		rights_rule_free(rule);
		return NULL;
	}
	return rule;
}

int
csd_rights_set(const char *nqn, const char *host, enum csd_right right)
{
	struct csd_rule *rule;
	int rc = 0;

	pthread_mutex_lock(&g_mutex);
	rule = rights_rule_find(nqn, host);
	if (rule == NULL) {
		rule = rights_rule_new(nqn, host);
		if (rule != NULL) {
			TAILQ_INSERT_TAIL(&g_rules, rule, link);
		}
	}
	if (rule != NULL) {
		rule->right = right;
		rule->logged = false;
	} else {
		rc = -ENOMEM;
	}
	pthread_mutex_unlock(&g_mutex);
	return rc;
}

int
csd_rights_remove(const char *nqn, const char *host)
{
	struct csd_rule *rule;

	pthread_mutex_lock(&g_mutex);
	rule = rights_rule_find(nqn, host);
	if (rule != NULL) {
		TAILQ_REMOVE(&g_rules, rule, link);
	}
	pthread_mutex_unlock(&g_mutex);
	rights_rule_free(rule);
	return rule != NULL ? 0 : -ENOENT;
}

bool
csd_rights_may_load(const char *nqn, const char *host)
{
	struct csd_rule *rule;
	bool may, first;

	pthread_mutex_lock(&g_mutex);
	rule = rights_rule_find(nqn, host);
	if (rule == NULL) {
		rule = rights_rule_find(nqn, "");
	}
	may = rule == NULL || rule->right == CSD_RIGHT_LOAD;
	first = !may && !rule->logged;
	if (first) {
		rule->logged = true;
	}
	pthread_mutex_unlock(&g_mutex);
	if (first) {
		SPDK_NOTICELOG("%s: host %s may run programs, not load or change them (said once)\n", nqn, host);
	}
	return may;
}

static void
rights_rule_write(const struct csd_rule *rule, struct spdk_json_write_ctx *w)
{
	spdk_json_write_named_string(w, "nqn", rule->nqn);
	if (rule->host[0] != '\0') {
		spdk_json_write_named_string(w, "host", rule->host);
	}
	spdk_json_write_named_string(w, "programs", csd_right_name(rule->right));
}

void
csd_rights_write(struct spdk_json_write_ctx *w)
{
	struct csd_rule *rule;

	pthread_mutex_lock(&g_mutex);
	TAILQ_FOREACH(rule, &g_rules, link) {
		spdk_json_write_object_begin(w);
		rights_rule_write(rule, w);
		spdk_json_write_object_end(w);
	}
	pthread_mutex_unlock(&g_mutex);
}

/* In the block devices' part of the configuration, which is loaded before any subsystem is there to connect to. */
int
csd_rights_write_config(struct spdk_json_write_ctx *w)
{
	struct csd_rule *rule;

	pthread_mutex_lock(&g_mutex);
	TAILQ_FOREACH(rule, &g_rules, link) {
		spdk_json_write_object_begin(w);
		spdk_json_write_named_string(w, "method", "csd_set_host_rights");
		spdk_json_write_named_object_begin(w, "params");
		rights_rule_write(rule, w);
		spdk_json_write_object_end(w);
		spdk_json_write_object_end(w);
	}
	pthread_mutex_unlock(&g_mutex);
	return 0;
}

/* At the end of the process, for the leak check. */
static void __attribute__((destructor))
csd_rights_free(void)
{
	struct csd_rule *rule;

	while ((rule = TAILQ_FIRST(&g_rules)) != NULL) {
		TAILQ_REMOVE(&g_rules, rule, link);
		rights_rule_free(rule);
	}
}
