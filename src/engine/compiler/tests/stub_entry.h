/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef STUB_ENTRY_H
#define STUB_ENTRY_H

/* C that is put behind the next program too; NULL: none. */
extern const char *stub_more;

#endif
