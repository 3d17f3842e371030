/* Preloaded into the daemon: gives back to the system what the C library keeps of freed memory for the next time, whenever the
   file that TRIM_FILE names appears, and then takes that file away. What is resident afterwards is what the daemon holds. */

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *watch(void *file) {
    for (;;) {
        if (access(file, F_OK) == 0) {
            malloc_trim(0);
            unlink(file);
        }
        usleep(20000);
    }
}

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    char *file = getenv("TRIM_FILE");
    if (file != NULL && pthread_create(&thread, NULL, watch, file) == 0) {
        pthread_detach(thread);
    }
}
