#include "libstore/io/file_system.h"

#include <algorithm>
#include <cerrno>

namespace rmq::io {

// For file systems without owners and modes.
Status FileSystem::copy(const std::string& from, const std::string& to) {
  constexpr std::int64_t kPiece = 1 << 20;
  RMQ_TRY(was, stat(from));
  RMQ_TRY(source, open(from));
  if (stat(to)) return os_error(EEXIST, "copying " + from + " to " + to);
  const NewFile wanted{to, was.size, {}};
  RMQ_CHECK(create_sparse({&wanted, 1}).front());
  RMQ_TRY(made, open_for_write(to));
  std::vector<std::byte> bytes;
  for (std::int64_t at = source->next_data(0); at < was.size; at = source->next_data(at)) {
    bytes.resize(static_cast<std::size_t>(std::min({kPiece, was.size - at, source->next_hole(at) - at})));
    RMQ_TRY(got, source->read_at(at, bytes));
    if (got == 0) break;
    bytes.resize(got);
    RMQ_CHECK(made->write_at(at, bytes));
    at += static_cast<std::int64_t>(got);
  }
  RMQ_CHECK(set_modified(to, was.modified_ms));
  return made->sync();
}

}  // namespace rmq::io
