/* Starts N processes that sleep, says "ready" and its number, and ends with all of them when its standard input ends. It leaves
 * whoever started it: a watch takes what is below itself for its own, and a bench is the watch. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long wanted = argc > 1 ? atol(argv[1]) : 0;
	pid_t parent;

	if (fork() != 0)
		return 0;
	parent = getpid();
	for (long i = 0; i < wanted; i++) {
		pid_t child = fork();
		if (child < 0) {
			perror("fork");
			return 1;
		}
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(0);
			for (;;)
				pause();
		}
	}
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
