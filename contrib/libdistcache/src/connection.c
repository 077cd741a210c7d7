#include "connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "connect.h"

struct dc_connection dc_connection_of(int fd)
{
	struct dc_connection connection = {.fd = fd};
	struct stat status;

	if (fd >= 0 && fstat(fd, &status) == 0) {
		connection.device = status.st_dev;
		connection.inode = status.st_ino;
	}
	return connection;
}

bool dc_connection_is_ours(const struct dc_connection *connection)
{
	struct stat status;

	return fstat(connection->fd, &status) == 0 && status.st_dev == connection->device &&
	       status.st_ino == connection->inode && S_ISSOCK(status.st_mode);
}

void dc_connection_end(const struct dc_connection *connection)
{
	int saved = errno;

	if (dc_connection_is_ours(connection)) {
		shutdown(connection->fd, SHUT_RDWR);
		dc_close(connection->fd);
	}
	errno = saved;
}

void dc_connection_disown(const struct dc_connection *connection)
{
	int saved = errno;

	if (dc_connection_is_ours(connection))
		dc_close(connection->fd);
	errno = saved;
}
