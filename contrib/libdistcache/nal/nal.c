/* libnal.so.1 is empty: see the Makefile. */
typedef int dc_nal_is_empty;
