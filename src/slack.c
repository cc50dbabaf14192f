/*
 * slack.c - the carrier's timer slack, as the kernel has it
 *
 * Others may set it, too (/proc/PID/timerslack_ns, chrt), so it is asked for again now and then.
 */
#include "slack.h"
#include "raw.h"
#include <sys/prctl.h>

#define LOOK_EVERY	GR_SEC(1)

#define FIFO		1		/* policies of <linux/sched.h>, which does not go together with libc's <sched.h> */
#define RR		2
#define DEADLINE	6
#define RESET_ON_FORK	0x40000000

static struct {
	gr_time least;			/* that was asked for */
	gr_time kernels;
	gr_time look_at;		/* when to ask the kernel again; 0: now; GR_NEVER: it may not be asked */
} slack = { .least = GR_NEVER };

static bool is_realtime(void)
{
	long policy = raw(SYS_sched_getscheduler, 0) & ~(long)RESET_ON_FORK;

	return policy == FIFO || policy == RR || policy == DEADLINE;
}

/* Before Linux 6.13 a real-time thread's is told as if it had one. */
static gr_time ask(void)
{
	long ns = raw(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);

	return raw_failed(ns) || is_realtime() ? 0 : ns;
}

gr_time gr_slack(gr_time now)
{
	if (now >= slack.look_at) {
		slack.kernels = ask();
		slack.look_at = now + LOOK_EVERY;
	}
	return slack.kernels < slack.least ? slack.kernels : slack.least;
}

/* Where that cannot be asked, nobody is ever late. */
void gr_slack_look(void)
{
	if (slack.look_at == GR_NEVER)
		slack.kernels = 0;
	else
		slack.look_at = 0;
}

void gr_slack_forbid(void)
{
	if (slack.look_at == GR_NEVER)
		return;
	slack.kernels = ask();
	slack.look_at = GR_NEVER;
}

void gr_slack_set(void)
{
	gr_time asked = slack.look_at == GR_NEVER ? 0 : ask();

	slack.least = asked < slack.least ? asked : slack.least;
	gr_slack_look();
}
