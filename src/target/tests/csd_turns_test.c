/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_turns.h"

#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

int
main(void)
{
	struct csd_turns turns;
	struct csd_turn many[100], one, two;
	int i, between;

	csd_turns_init(&turns);
	expect("nobody", csd_turns_next(&turns) == NULL);
	for (i = 0; i < 100; i++) {
		expect("join", csd_turns_join(&turns, &many[i], "many") == 0);
		csd_turns_ask(&turns, &many[i]);
		csd_turns_ask(&turns, &many[i]);
	}
	expect("join", csd_turns_join(&turns, &one, "one") == 0);
	expect("join", csd_turns_join(&turns, &two, "one") == 0);
	expect("a host is known by its name", one.host == two.host && one.host != many[0].host);
	csd_turns_ask(&turns, &one);

	/* Of two hosts each has every second turn, however much the other asks for. */
	expect("the first", csd_turns_next(&turns) == &many[0]);
	expect("the other host", csd_turns_next(&turns) == &one);
	for (i = 1; i < 50; i++) {
		csd_turns_ask(&turns, &one);
		expect("its second", csd_turns_next(&turns) == &many[i]);
		expect("the other host again", csd_turns_next(&turns) == &one);
	}
	/* Two of one host share its turns. */
	csd_turns_ask(&turns, &one);
	csd_turns_ask(&turns, &two);
	expect("many", csd_turns_next(&turns) == &many[50]);
	expect("one", csd_turns_next(&turns) == &one);
	expect("many", csd_turns_next(&turns) == &many[51]);
	expect("two", csd_turns_next(&turns) == &two);

	/* Asking twice was asking once, and who leaves has no turn. */
	csd_turns_leave(&turns, &many[52]);
	csd_turns_ask(&turns, &one);
	csd_turns_leave(&turns, &one);
	csd_turns_leave(&turns, &two);
	for (between = 0, i = 53; i < 100; i++, between++) {
		expect("in order", csd_turns_next(&turns) == &many[i]);
	}
	expect("nobody is left", csd_turns_next(&turns) == NULL && between == 47);
	for (i = 0; i < 100; i++) {
		if (i != 52) {
			csd_turns_leave(&turns, &many[i]);
		}
	}
	expect("no host is left", TAILQ_EMPTY(&turns.hosts) && TAILQ_EMPTY(&turns.asking));
	printf("csd_turns: %u checks\n", g_checks);
	return 0;
}
