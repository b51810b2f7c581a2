// The list of files that RocketMQ maps for a log or a queue, with the positions it believes in: loading,
// finding, cutting. Pure bookkeeping; the bytes stay on disk. RocketMQ: MappedFileQueue, DefaultMappedFile
// (MappedFile in 4.x).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/preflight/java_math.h"
#include "libstore/preflight/recovery_rules.h"
#include "libstore/scan/store_survey.h"

namespace rmq::preflight {

struct MappedFileState {
  std::string path;  // empty: a file that recovery would create
  std::string shown;
  std::int64_t start = 0;       // fileFromOffset
  std::int32_t wrote = 0;       // wrotePosition
  bool first_in_queue = false;  // isFirstCreateInQueue: created while there was no other
};

// Long.parseLong of a file's name.
[[nodiscard]] inline std::optional<std::int64_t> file_from_offset(std::string_view name) {
  if (name.starts_with('+')) name.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (fault != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return value;
}

// Why MappedFileQueue.load gives up; nullopt when it does not.
using LoadFault = std::optional<std::string>;

template <class File>
class MappedFiles {
 public:
  std::vector<File> files;
  std::int64_t file_size = 0;
  std::vector<std::string> destroyed;  // shown names of files that would be deleted

  // MappedFileQueue.doLoad over the files of a directory (or several), in order of their names.
  LoadFault load(const scan::MappedFileSet& set, const RecoveryRules& rules) {
    file_size = set.file_size;
    std::vector<const scan::StoreFile*> found;
    for (const auto& file : set.files) found.push_back(&file);
    for (const auto& file : set.strays) found.push_back(&file);
    std::ranges::sort(found, [](const auto* a, const auto* b) { return a->name < b->name; });
    for (std::size_t i = 0; i < found.size(); ++i) {
      const scan::StoreFile& file = *found[i];
      if (rules.deletes_empty_last_file && file.size == 0 && i + 1 == found.size()) {
        destroyed.push_back(file.shown);
        continue;
      }
      if (file.size != file_size || file_size <= 0 || file_size > std::numeric_limits<std::int32_t>::max()) {
        return file.shown + " has " + std::to_string(file.size) + " bytes instead of " +
               std::to_string(file_size);
      }
      const auto start = file_from_offset(file.name);
      if (!start) return file.shown + " has a name that is no offset";
      File mapped;
      mapped.path = file.path;
      mapped.shown = file.shown;
      mapped.start = *start;
      mapped.wrote = static_cast<std::int32_t>(file_size);
      files.push_back(std::move(mapped));
    }
    return std::nullopt;
  }

  [[nodiscard]] bool empty() const { return files.empty(); }
  [[nodiscard]] std::int64_t min_offset() const { return files.empty() ? -1 : files.front().start; }
  [[nodiscard]] std::int64_t max_offset() const {
    return files.empty() ? 0 : wrap_add(files.back().start, files.back().wrote);
  }

  // findMappedFileByOffset: by arithmetic first, and by search only where that file does not hold the offset.
  [[nodiscard]] std::optional<std::size_t> find(std::int64_t offset, bool first_if_not_found) const {
    if (files.empty()) return std::nullopt;
    const auto holds = [&](const File& file) {
      return offset >= file.start && offset < wrap_add(file.start, file_size);
    };
    if (offset >= files.front().start && offset < wrap_add(files.back().start, file_size)) {
      const std::int32_t index = to_int(wrap_add(offset / file_size, -(files.front().start / file_size)));
      if (index >= 0 && static_cast<std::size_t>(index) < files.size() &&
          holds(files[static_cast<std::size_t>(index)])) {
        return static_cast<std::size_t>(index);
      }
      const auto found = std::ranges::find_if(files, holds);
      if (found != files.end()) return static_cast<std::size_t>(found - files.begin());
    }
    return first_if_not_found ? std::optional<std::size_t>(0) : std::nullopt;
  }

  // truncateDirtyFiles. What lies behind the cut inside a kept file stays as it is.
  void truncate(std::int64_t offset) {
    std::erase_if(files, [&](File& file) {
      if (wrap_add(file.start, file_size) <= offset) return false;
      if (offset >= file.start) {
        file.wrote = static_cast<std::int32_t>(offset % file_size);
        return false;
      }
      if (!file.path.empty()) destroyed.push_back(file.shown);
      return true;
    });
  }

  void drop_last() {
    if (!files.back().path.empty()) destroyed.push_back(files.back().shown);
    files.pop_back();
  }

  void destroy() {
    while (!files.empty()) drop_last();
  }

  // getLastMappedFile(startOffset): the last file, or a new one where there is none or it is full.
  File& last_or_new(std::int64_t start_offset) {
    std::optional<std::int64_t> create;
    if (files.empty()) {
      create = start_offset - start_offset % file_size;
    } else if (files.back().wrote == file_size) {
      create = wrap_add(files.back().start, file_size);
    }
    if (create) {
      File file;
      file.start = *create;
      file.first_in_queue = files.empty();
      files.push_back(std::move(file));
    }
    return files.back();
  }
};

}  // namespace rmq::preflight
