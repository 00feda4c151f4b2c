/*
 * The executable of the one-folder build: starts the Python beside it, wherever the folder was copied.
 *
 * Static, so it needs no shell and no library. Python is started apart from the machine's own: no variable (-I), no
 * site-packages (-S), no byte code written (-B), file names and messages in UTF-8 whatever the locale is.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const OPTIONS[] = {"-I", "-S", "-B", "-X", "utf8"};
enum { GIVEN = sizeof OPTIONS / sizeof *OPTIONS };

static int failed(const char *what) {
    fprintf(stderr, "krm-harden: error: %s: %s; the folder must stay whole: copy it with `krm-harden copy`\n", what,
            strerror(errno));
    return 2;
}

int main(int count, char **arguments) {
    char folder[PATH_MAX], python[PATH_MAX + 32], start[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    char **all = calloc((size_t)count + GIVEN + 2, sizeof *all);

    if (length < 0 || all == NULL)
        return failed("/proc/self/exe");
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    snprintf(python, sizeof python, "%s/bin/" PYTHON, folder);
    snprintf(start, sizeof start, "%s/lib/start.py", folder);

    char **next = all;
    *next++ = python;
    for (int each = 0; each < GIVEN; each++)
        *next++ = (char *)OPTIONS[each];
    *next++ = start;
    for (int each = 1; each < count; each++)
        *next++ = arguments[each];
    execv(python, all);
    return failed(python);
}
