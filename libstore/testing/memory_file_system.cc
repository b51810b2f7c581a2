#include "libstore/testing/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

namespace rmq::testing {
namespace {

class OpenMemoryFile final : public io::ReadFile {
 public:
  explicit OpenMemoryFile(const MemoryFile& file) : file_(file) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    const std::int64_t end = position + std::ssize(out);
    for (const auto& [from, to] : file_.bad) {
      if (position < to && from < end) return os_error(EIO, "injected");
    }
    const std::int64_t there = std::clamp<std::int64_t>(data_end() + file_.hole - position, 0, std::ssize(out));
    const std::int64_t data = std::clamp<std::int64_t>(data_end() - position, 0, there);
    std::copy_n(file_.bytes.begin() + std::min(position, data_end()), data, out.begin());
    std::fill(out.begin() + data, out.begin() + there, std::byte{0});
    return static_cast<std::size_t>(there);
  }
  std::int64_t size() const override {
    return file_.size_when_opened >= 0 ? file_.size_when_opened : data_end() + file_.hole;
  }
  std::int64_t next_data(std::int64_t position) const override {
    return position < data_end() || file_.hole == 0 ? position : size();
  }
  std::int64_t next_hole(std::int64_t position) const override {
    return file_.hole == 0 ? size() : std::max(position, data_end());
  }

 private:
  [[nodiscard]] std::int64_t data_end() const { return std::ssize(file_.bytes); }

  const MemoryFile& file_;
};

}  // namespace

void MemoryFileSystem::load(const std::string& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    MemoryFile& file = files[entry.path().string()];
    file.bytes.resize(entry.file_size());
    std::ifstream(entry.path(), std::ios::binary).read(reinterpret_cast<char*>(file.bytes.data()), std::ssize(file.bytes));
  }
}

Result<std::unique_ptr<io::ReadFile>> MemoryFileSystem::open(const std::string& path) const {
  const auto found = files.find(path);
  if (found == files.end()) return os_error(ENOENT, path);
  return std::unique_ptr<io::ReadFile>(new OpenMemoryFile(found->second));
}

Result<std::vector<io::DirectoryEntry>> MemoryFileSystem::list(const std::string& directory) const {
  const std::string prefix = io::join_path(directory, "");
  std::map<std::string, io::DirectoryEntry> entries;
  for (auto at = files.lower_bound(prefix); at != files.end() && at->first.starts_with(prefix); ++at) {
    const std::string rest = at->first.substr(prefix.size());
    const std::string name = rest.substr(0, rest.find('/'));
    io::DirectoryEntry& entry = entries[name];
    entry.name = name;
    entry.kind = name == rest ? io::EntryKind::file : io::EntryKind::directory;
    entry.size = name == rest ? OpenMemoryFile(at->second).size() : 0;
  }
  if (entries.empty()) return os_error(ENOENT, directory);
  std::vector<io::DirectoryEntry> sorted;
  for (auto& [name, entry] : entries) sorted.push_back(std::move(entry));
  return sorted;
}

Result<io::DirectoryEntry> MemoryFileSystem::stat(const std::string& path) const {
  io::DirectoryEntry entry;
  entry.name = path.substr(path.find_last_of('/') + 1);
  if (const auto found = files.find(path); found != files.end()) {
    entry.kind = io::EntryKind::file;
    entry.size = OpenMemoryFile(found->second).size();
    return entry;
  }
  if (!list(path)) return os_error(ENOENT, path);
  entry.kind = io::EntryKind::directory;
  return entry;
}

}  // namespace rmq::testing
