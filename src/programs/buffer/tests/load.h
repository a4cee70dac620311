/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program as a library, translated or native (native.c), opened anew: its variables are as at the begin of a run. */
#ifndef LOAD_H
#define LOAD_H

#include <dlfcn.h>

#include "csd_call.h"
#include "run.h"
#include "test.h"

struct loaded {
	void *library;
	void (*call)(struct csd_call *call);
	struct csd_parameters *parameters;	/* NULL: it looks at none */
	const void *state;
};

static inline struct loaded
load(const char *folder, const char *way, const char *name, const struct job *job)
{
	uint64_t bytes = job->data_bytes < CSD_DATA_BYTES ? job->data_bytes : CSD_DATA_BYTES;
	struct loaded loaded;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s.so", folder, way, name);
	loaded.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(loaded.library != NULL, "%s", dlerror());
	loaded.call = (void (*)(struct csd_call *))dlsym(loaded.library, "csd_0_call");
	loaded.state = dlsym(loaded.library, "csd_0_state");
	CHECK(loaded.call != NULL && loaded.state != NULL, "%s: %s", path, dlerror());
	loaded.parameters = dlsym(loaded.library, "csd_0_parameters");
	if (loaded.parameters != NULL) {
		loaded.parameters->cparam1 = job->cparam1;
		loaded.parameters->cparam2 = job->cparam2;
		loaded.parameters->data_bytes = bytes;
		if (bytes > 0) {
			memcpy(loaded.parameters->data, job->data, bytes);
		}
	}
	return loaded;
}

#endif
