// Starts programs for the bench of what is seen of them.
//
//   starter            lives for about a millisecond
//   starter PROGRAM COUNT RATE
//                      starts that so often, so many a second, and says what processor time that took, in nanoseconds
//   starter busy       keeps a processor busy until its standard input ends
#define _GNU_SOURCE
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long used(int who)
{
	struct rusage usage;
	getrusage(who, &usage);
	long long seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
	return seconds * 1000000000LL + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

static int start(const char *program, long count, long rate)
{
	char *args[] = {(char *)program, NULL};
	struct timespec next;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long done = 0; done < count; done++) {
		pid_t pid;
		if (posix_spawn(&pid, program, NULL, NULL, args, environ) != 0)
			return 1;
		while (waitpid(-1, NULL, WNOHANG) > 0) {
		}
		next.tv_nsec += 1000000000L / rate;
		if (next.tv_nsec >= 1000000000L) {
			next.tv_nsec -= 1000000000L;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	while (waitpid(-1, NULL, 0) > 0) {
	}
	printf("%lld\n", used(RUSAGE_SELF) + used(RUSAGE_CHILDREN));
	return 0;
}

int main(int count, char **args)
{
	if (count == 4)
		return start(args[1], atol(args[2]), atol(args[3]));
	if (count == 2) {
		struct pollfd input = {0, POLLIN, 0};
		volatile long turns = 0;
		while (poll(&input, 1, 0) == 0)
			for (long turn = 0; turn < 10000000; turn++)
				turns++;
		return 0;
	}
	// With what it takes to start and to end, about a millisecond.
	struct timespec rest = {0, 400000};
	nanosleep(&rest, NULL);
	return 0;
}
