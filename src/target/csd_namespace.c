/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The bdev module `csd`: bdevs that stand for namespaces and serve no block I/O. */
#include "csd_namespace.h"
#include "csd_work.h"
#include "csd_workers.h"
#include "csd_rights.h"

#include "spdk/string.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

static TAILQ_HEAD(, csd_namespace) g_namespaces = TAILQ_HEAD_INITIALIZER(g_namespaces);

static int
namespace_module_channel_create(void *io_device, void *ctx)
{
	(void)io_device;
	(void)ctx;
	return 0;
}

static void
namespace_module_channel_destroy(void *io_device, void *ctx)
{
	(void)io_device;
	(void)ctx;
}

/* The io_device of namespaces that keep nothing per thread. */
static int
namespace_module_init(void)
{
	spdk_io_device_register(&g_namespaces, namespace_module_channel_create, namespace_module_channel_destroy, 0,
				"csd");
	csd_work_init();
	csd_workers_init();
	return 0;
}

static void
namespace_module_fini(void)
{
	csd_workers_fini();
	csd_work_fini();
	spdk_io_device_unregister(&g_namespaces, NULL);
}

static struct spdk_bdev_module g_module = {
	.name = "csd",
	.module_init = namespace_module_init,
	.module_fini = namespace_module_fini,
	.config_json = csd_rights_write_config,
};

SPDK_BDEV_MODULE_REGISTER(csd, &g_module)

static int
namespace_bdev_destruct(void *ctx)
{
	struct csd_namespace *ns = ctx;

	TAILQ_REMOVE(&g_namespaces, ns, link);
	return ns->ops->destruct(ns);
}

/* Their commands never come as block I/O. */
static void
namespace_bdev_submit_request(struct spdk_io_channel *channel, struct spdk_bdev_io *bdev_io)
{
	(void)channel;
	spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_FAILED);
}

static bool
namespace_bdev_io_type_supported(void *ctx, enum spdk_bdev_io_type type)
{
	(void)ctx;
	(void)type;
	return false;
}

static struct spdk_io_channel *
namespace_bdev_get_io_channel(void *ctx)
{
	struct csd_namespace *ns = ctx;

	return ns->ops->get_io_channel ? ns->ops->get_io_channel(ns) : spdk_get_io_channel(&g_namespaces);
}

static int
namespace_bdev_dump_info(void *ctx, struct spdk_json_write_ctx *w)
{
	struct csd_namespace *ns = ctx;

	ns->ops->write_info(ns, w);
	return 0;
}

static void
namespace_bdev_write_config(struct spdk_bdev *bdev, struct spdk_json_write_ctx *w)
{
	struct csd_namespace *ns = csd_namespace_of(bdev);

	ns->ops->write_config(ns, w);
}

static const struct spdk_bdev_fn_table g_functions = {
	.destruct = namespace_bdev_destruct,
	.submit_request = namespace_bdev_submit_request,
	.io_type_supported = namespace_bdev_io_type_supported,
	.get_io_channel = namespace_bdev_get_io_channel,
	.dump_info_json = namespace_bdev_dump_info,
	.write_config_json = namespace_bdev_write_config,
};

const struct spdk_bdev_module *
csd_namespace_module(void)
{
	return &g_module;
}

int
csd_namespace_register(struct csd_namespace *ns, const char *name, const char *product,
		       const struct spdk_uuid *uuid)
{
	int rc;

	if (name[0] == '\0' || strlen(name) >= sizeof(ns->name)) {
		return -EINVAL;
	}
	snprintf(ns->name, sizeof(ns->name), "%s", name);
	ns->bdev.name = ns->name;
	ns->bdev.product_name = (char *)product;
	ns->bdev.blocklen = 4096;
	ns->bdev.blockcnt = spdk_max(ns->bdev.blockcnt, 1);
	ns->bdev.ctxt = ns;
	ns->bdev.fn_table = &g_functions;
	ns->bdev.module = &g_module;
	if (uuid != NULL) {
		spdk_uuid_copy(&ns->bdev.uuid, uuid);
	} else {
		spdk_uuid_generate(&ns->bdev.uuid);
	}
	/* First, for it may be looked up as soon as it is a bdev. */
	TAILQ_INSERT_TAIL(&g_namespaces, ns, link);
	rc = spdk_bdev_register(&ns->bdev);
	if (rc != 0) {
		TAILQ_REMOVE(&g_namespaces, ns, link);
	}
	return rc;
}

struct csd_namespace *
csd_namespace_of(struct spdk_bdev *bdev)
{
	return bdev->module == &g_module ? SPDK_CONTAINEROF(bdev, struct csd_namespace, bdev) : NULL;
}

struct csd_namespace *
csd_namespace_by_name(const char *name)
{
	struct csd_namespace *ns;

	TAILQ_FOREACH(ns, &g_namespaces, link) {
		if (strcmp(ns->name, name) == 0) {
			return ns;
		}
	}
	return NULL;
}

struct csd_namespace *
csd_namespace_next(struct csd_namespace *previous)
{
	return previous == NULL ? TAILQ_FIRST(&g_namespaces) : TAILQ_NEXT(previous, link);
}
