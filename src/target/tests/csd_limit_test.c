/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_limit.h"

#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

int
main(void)
{
	struct csd_limit limit = {};
	uint64_t dropped;
	int i;

	for (i = 0; i < 3; i++) {
		expect("room", csd_limit_take(&limit, 3, 100 + i, 10, &dropped) && dropped == 0);
	}
	for (i = 0; i < 1000; i++) {
		expect("none", !csd_limit_take(&limit, 3, 103 + i % 7, 10, &dropped));
	}
	expect("none for a clock that is behind", !csd_limit_take(&limit, 3, 99, 10, &dropped));
	expect("the next while", csd_limit_take(&limit, 3, 110, 10, &dropped) && dropped == 1001);
	expect("said once", csd_limit_take(&limit, 3, 110, 10, &dropped) && dropped == 0);
	expect("its third", csd_limit_take(&limit, 3, 119, 10, &dropped) && dropped == 0);
	expect("no fourth", !csd_limit_take(&limit, 3, 119, 10, &dropped));
	expect("much later", csd_limit_take(&limit, 3, UINT64_MAX, 10, &dropped) && dropped == 1);
	printf("csd_limit: %u checks\n", g_checks);
	return 0;
}
