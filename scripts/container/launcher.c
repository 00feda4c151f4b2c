/*
 * The executable of the one-folder build: starts the Python beside it, wherever the folder was copied.
 *
 * Static, so it needs no shell and no library of the machine; and as it starts the folder's own dynamic loader, neither
 * does Python, whatever libc the machine has. Python listens to no variable (-I), knows no other packages (-S), writes
 * no byte code (-B), and has file names and messages in UTF-8 whatever the locale is.
 *
 * LOADER and PYTHON are the names of those two in lib/ and bin/.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { MORE = 16 };

static int failed(const char *what) {
    fprintf(stderr, "krm-harden: error: %s: %s; the folder must stay whole: copy it with `krm-harden copy`\n", what,
            strerror(errno));
    return 2;
}

int main(int count, char **arguments) {
    char folder[PATH_MAX], library[PATH_MAX + 8], loader[PATH_MAX + 64], python[PATH_MAX + 64], start[PATH_MAX + 64];
    char **all = calloc((size_t)count + MORE, sizeof *all);

    /* The path that was started, not argv[0], which can be anything; not /proc, which may be missing. */
    if (all == NULL || realpath((const char *)getauxval(AT_EXECFN), folder) == NULL)
        return failed("its own folder");
    *strrchr(folder, '/') = '\0';
    snprintf(library, sizeof library, "%s/lib", folder);
    snprintf(loader, sizeof loader, "%s/" LOADER, library);
    snprintf(python, sizeof python, "%s/bin/" PYTHON, folder);
    snprintf(start, sizeof start, "%s/start.py", library);

    char *const before[] = {loader, "--inhibit-cache", "--library-path", library, python,
                            "-I",   "-S",              "-B",             "-X",    "utf8", start};
    memcpy(all, before, sizeof before);
    memcpy(all + sizeof before / sizeof *before, arguments + 1, (size_t)(count > 0 ? count - 1 : 0) * sizeof *all);
    execv(loader, all);
    return failed(loader);
}
