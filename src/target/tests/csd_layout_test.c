/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Where each field of the standard's structures stands: the numbers are written by hand from the standard's tables. */
#include "nvme_csd.h"

#include <stddef.h>
#include <stdio.h>

#define AT(type, field, first, last) \
	_Static_assert(offsetof(struct type, field) == (first) && \
		       offsetof(struct type, field) + sizeof(((struct type *)0)->field) == (last) + 1, \
		       #type "." #field)

AT(nvme_memory_range, nsid, 0, 3);
AT(nvme_memory_range, length, 4, 7);
AT(nvme_memory_range, start, 8, 15);

AT(nvme_slm_copy_blocks, snsid, 0, 3);
AT(nvme_slm_copy_blocks, slba, 8, 15);
AT(nvme_slm_copy_blocks, nlb, 16, 17);
AT(nvme_slm_copy_blocks, sopt, 22, 23);
AT(nvme_slm_copy_memory, snsid, 0, 3);
AT(nvme_slm_copy_memory, saddr, 8, 15);
AT(nvme_slm_copy_memory, nbyte, 16, 19);
AT(nvme_slm_copy_memory, sopt, 22, 23);

AT(nvme_compute_namespace, maxact, 0, 1);
AT(nvme_compute_namespace, maxmemrs, 2, 3);
AT(nvme_compute_namespace, mrsg, 4, 5);
AT(nvme_compute_namespace, maxmemr, 6, 6);
AT(nvme_compute_namespace, maxpb, 8, 15);
AT(nvme_compute_namespace, lpg, 16, 16);

AT(nvme_program_list_header, count, 0, 3);
AT(nvme_program_descriptor, state, 0, 0);
AT(nvme_program_descriptor, ptype, 1, 1);
AT(nvme_program_descriptor, pid, 8, 15);

AT(nvme_program_types_header, count, 0, 3);
AT(nvme_program_type_descriptor, ptype, 0, 0);
AT(nvme_program_type_descriptor, version, 1, 1);
AT(nvme_program_type_descriptor, max_bytes, 8, 15);
AT(nvme_program_type_descriptor, name, 16, 31);

AT(nvme_range_sets_header, count, 0, 3);
AT(nvme_range_set_descriptor, rsid, 0, 1);
AT(nvme_range_set_descriptor, ranges, 2, 3);

AT(nvme_reachability_header, changes, 0, 7);
AT(nvme_reachability_header, count, 8, 9);
AT(nvme_reachability_group, rgid, 0, 3);
AT(nvme_reachability_group, namespaces, 4, 7);
AT(nvme_reachability_group, changes, 8, 15);
AT(nvme_reachability_association, rasid, 0, 3);
AT(nvme_reachability_association, groups, 4, 7);
AT(nvme_reachability_association, changes, 8, 15);
AT(nvme_reachability_association, characteristics, 16, 16);

int
main(void)
{
	printf("nvme_csd.h: every field stands where the standard has it\n");
	return 0;
}
