/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Writes JSON in one line. A NULL key is for elements of arrays. */
#ifndef CSD_JSON_H
#define CSD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CSD_JSON_DEPTH	16

struct csd_json {
	FILE *out;
	unsigned int depth;
	bool filled[CSD_JSON_DEPTH];	/* the object or array at this depth has a member already */
};

void csd_json_init(struct csd_json *json, FILE *out);
void csd_json_object(struct csd_json *json, const char *key);
void csd_json_object_end(struct csd_json *json);
void csd_json_array(struct csd_json *json, const char *key);
void csd_json_array_end(struct csd_json *json);
void csd_json_u64(struct csd_json *json, const char *key, uint64_t value);
void csd_json_i64(struct csd_json *json, const char *key, int64_t value);
void csd_json_seconds(struct csd_json *json, const char *key, double value);
void csd_json_bool(struct csd_json *json, const char *key, bool value);
void csd_json_string(struct csd_json *json, const char *key, const char *value);	/* NULL: null */
void csd_json_raw(struct csd_json *json, const char *key, const char *value);
/* Ends the line and sends it. */
void csd_json_finish(struct csd_json *json);

#endif
