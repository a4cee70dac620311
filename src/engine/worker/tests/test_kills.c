/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * kill -9 of workers and of their spawner under load: each command ends once, with the right answer or as killed, and
 * nothing is left behind.
 *
 *	test_kills FOLDER ROUNDS SEED [UID]
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "csd_call.h"
#include "hostile.h"
#include "lab.h"
#include "test.h"

#define POOLS		2
#define COMMANDS	4	/* at a time, of each pool: one for each owner */

struct command {
	struct csd_pool *pool;
	uint64_t owner;
	struct csd_worker *worker;	/* NULL: waits for one */
	uint64_t number;		/* of the run; its parameter */
	uint64_t deadline;
	uint64_t answered, killed;
};

static uint64_t kills_seed;

static uint32_t
kills_chance(uint32_t below)
{
	kills_seed = kills_seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(kills_seed >> 33) % below;
}

/* One step of a command. What it finds at its end is its own run's, and no other one's. */
static void
kills_advance(struct lab *lab, struct command *command)
{
	struct outcome outcome = {0};

	CHECK(csd_now() < command->deadline, "a command of owner %lu waits for %s", command->owner,
	      command->worker == NULL ? "a worker" : "its answer");
	if (command->worker == NULL) {
		command->worker = csd_pool_take(command->pool, command->owner);
		if (command->worker != NULL) {
			lab_ask(command->worker, HOSTILE_NOT, ++command->number, (uint8_t)command->owner);
		}
		return;
	}
	if (!lab_over(lab, command->worker, &outcome)) {
		return;
	}
	if (outcome.answered) {
		lab_check_honest(&outcome, command->number, (uint8_t)command->owner);
		command->answered++;
	} else {
		CHECK(outcome.end == CSD_WORKER_END_KILLED, "ended %d, signal %u", outcome.end, outcome.fault.signal);
		command->killed++;
	}
	command->worker = NULL;
	command->deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
}

static pid_t
kills_choose(const struct command *commands, uint32_t count)
{
	uint32_t first = kills_chance(count);

	for (uint32_t i = 0; i < count; i++) {
		const struct csd_worker *worker = commands[(first + i) % count].worker;

		if (worker != NULL && worker->pid != 0) {
			return worker->pid;
		}
	}
	return 0;
}

/* Whatever is killed, all commands have ended once more since, twice. */
static void
kills_round(struct lab *lab, struct command *commands, uint32_t count)
{
	uint32_t turns = kills_chance(200);
	pid_t pid;

	while (turns-- > 0) {
		lab_poll(lab);
		for (uint32_t i = 0; i < count; i++) {
			kills_advance(lab, &commands[i]);
		}
	}
	pid = kills_chance(5) == 0 ? csd_executor_spawner(lab->executor) : kills_choose(commands, count);
	if (pid != 0) {
		CHECK(kill(pid, SIGKILL) == 0 || errno == ESRCH, "%d: %s", pid, strerror(errno));
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t wanted = commands[i].answered + 2;

		while (commands[i].answered < wanted) {
			lab_poll(lab);
			for (uint32_t k = 0; k < count; k++) {
				kills_advance(lab, &commands[k]);
			}
		}
	}
}

static void
kills_end(struct lab *lab, struct command *commands, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t ended = commands[i].answered + commands[i].killed;

		while (commands[i].worker != NULL && commands[i].answered + commands[i].killed == ended) {
			lab_poll(lab);
			kills_advance(lab, &commands[i]);
		}
		CHECK_EQUAL(commands[i].answered + commands[i].killed, commands[i].number);
	}
}

static void
kills_gone(const char *name)
{
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	uint32_t found;

	while ((found = lab_processes(name)) != 0) {
		CHECK(csd_now() < deadline, "%u processes of %s are left", found, name);
		sched_yield();
	}
}

int
main(int argc, char **argv)
{
	uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 0, descriptors = lab_descriptors();
	struct command commands[POOLS * COMMANDS] = {{.number = 0}};
	struct csd_pool *pools[POOLS];
	uint64_t answered = 0, killed = 0;
	struct lab lab;

	CHECK(argc >= 4 && rounds > 0, "usage: test_kills FOLDER ROUNDS SEED [UID]");
	kills_seed = strtoull(argv[3], NULL, 10);
	lab_open(&lab, argv[1], argc > 4 ? argv[4] : NULL);
	CHECK_EQUAL(lab_processes("csd_spawner"), 1);
	for (uint32_t i = 0; i < POOLS * COMMANDS; i++) {
		if (i < POOLS) {
			pools[i] = lab_pool(&lab, NULL, 0);
		}
		commands[i].pool = pools[i % POOLS];
		commands[i].owner = i;
		commands[i].deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	}
	for (uint32_t round = 0; round < rounds; round++) {
		kills_round(&lab, commands, POOLS * COMMANDS);
	}
	kills_end(&lab, commands, POOLS * COMMANDS);
	for (uint32_t i = 0; i < POOLS * COMMANDS; i++) {
		answered += commands[i].answered;
		killed += commands[i].killed;
	}
	for (uint32_t i = 0; i < POOLS; i++) {
		lab_pool_close(&lab, pools[i]);
	}
	lab_close(&lab);
	kills_gone("csd_worker");
	kills_gone("csd_spawner");
	CHECK_EQUAL(lab_descriptors(), descriptors);
	CHECK(killed > 0 && lab.respawned > 0, "%lu commands killed, %u spawners", killed, lab.respawned);
	printf("test_kills: passed: %u rounds, %lu commands answered, %lu killed, %u spawners replaced; longest of %lu polls %.2f ms of CPU time\n",
	       rounds, answered, killed, lab.respawned, lab.polls, lab.longest_poll / 1e6);
	return 0;
}
