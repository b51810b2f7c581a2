// Which files a store has, with sizes and times: to tell whether somebody changed something.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"

namespace rmq::recovery {

inline constexpr std::string_view kLostAndFound = "lost+found";
// The same for directories that share no file system with the store's root: it lies beside them.
inline constexpr std::string_view kLostAndFoundElsewhere = "rmq-lost+found";

// lost+found/<UTC time>, for instance 20261121T202457.123Z, or that with a number behind it where it is
// taken.
[[nodiscard]] std::string lost_and_found_directory(const io::ReadFileSystem& files, const std::string& root,
                                                   std::int64_t now_ms);

struct StoreListing {
  struct File {
    std::int64_t size = 0;
    std::int64_t modified_ms = 0;
    bool operator==(const File&) const = default;
  };
  std::map<std::string, File> files;  // by path, relative to the root where they are below it

  bool operator==(const StoreListing&) const = default;
  // One object a file, a line each.
  [[nodiscard]] std::string as_json() const;
  // Nothing where a line is something else.
  [[nodiscard]] static std::optional<StoreListing> from_json(std::string_view text);
  // SHA-256 over as_json().
  [[nodiscard]] std::string hash() const;
};

// All files below the root and below `others`, but for lost+found and the lock.
[[nodiscard]] Result<StoreListing> list_store(const io::ReadFileSystem& files, const std::string& root,
                                              const std::vector<std::string>& others);

}  // namespace rmq::recovery
