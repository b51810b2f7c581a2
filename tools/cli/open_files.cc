#include "tools/cli/open_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace rmq::cli {
namespace {

constexpr std::size_t kProcFileLimit = 4096;

// The store's files by what the system knows them by.
class StoreFiles {
 public:
  explicit StoreFiles(const scan::StoreSurvey& survey) {
    for (const auto& file : {survey.lock, survey.checkpoint}) {
      if (file) add(*file);
    }
    for (const scan::MappedFile& file : survey.commit_log.files) add(file);
  }

  // What a link below /proc/PID/fd leads to, if it is one of them.
  [[nodiscard]] const std::string* find(const std::string& link) const {
    std::array<char, 4096> target;
    const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
    if (length <= 0 || target[0] != '/') return nullptr;
    // By name first: to ask about any other file might take long (a network that is gone).
    const std::string_view path(target.data(), static_cast<std::size_t>(length));
    if (!names_.contains(std::string(path.substr(path.find_last_of('/') + 1)))) return nullptr;
    struct stat status{};
    if (::stat(link.c_str(), &status) != 0) return nullptr;
    const auto found = files_.find({status.st_dev, status.st_ino});
    return found == files_.end() ? nullptr : &found->second;
  }

 private:
  void add(const scan::StoreFile& file) {
    struct stat status{};
    if (::stat(file.path.c_str(), &status) != 0) return;
    files_.emplace(std::pair(status.st_dev, status.st_ino), file.shown);
    names_.insert(file.name);
  }

  std::map<std::pair<dev_t, ino_t>, std::string> files_;
  std::set<std::string> names_;
};

// Nothing where it may not be listed. Asks for names only.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code fault;
  for (std::filesystem::directory_iterator at(directory, fault), end; !fault && at != end;
       at.increment(fault)) {
    names.push_back(at->path().filename().string());
  }
  return names;
}

// Files of /proc have no size: what they say is read, not measured.
std::string proc_text(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::string text(kProcFileLimit, '\0');
  const ssize_t got = ::read(descriptor, text.data(), text.size());
  ::close(descriptor);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// "flags:" in /proc/PID/fdinfo/N are those of open(2), in octal.
bool is_open_for_writing(const std::string& process, const std::string& descriptor) {
  const std::string info = proc_text(process + "/fdinfo/" + descriptor);
  constexpr std::string_view kFlags = "flags:";
  const std::size_t at = info.find(kFlags);
  if (at == std::string::npos) return false;
  const std::size_t digits = info.find_first_of("01234567", at + kFlags.size());
  if (digits == std::string::npos) return false;
  int flags = 0;
  std::from_chars(info.data() + digits, info.data() + info.size(), flags, 8);
  return (flags & O_ACCMODE) != O_RDONLY;
}

std::string program_of(const std::string& process) {
  std::string name = proc_text(process + "/comm");
  return name.substr(0, name.find('\n'));
}

}  // namespace

std::optional<Writer> find_writer(const scan::StoreSurvey& survey) {
  const StoreFiles ours(survey);
  for (const std::string& name : names_in("/proc")) {
    std::int32_t id = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data(), end, id).ptr != end || id == ::getpid()) continue;
    const std::string process = "/proc/" + name;
    for (const std::string& descriptor : names_in(process + "/fd")) {
      const std::string* file = ours.find(process + "/fd/" + descriptor);
      if (file != nullptr && is_open_for_writing(process, descriptor))
        return Writer{id, program_of(process), *file};
    }
  }
  return std::nullopt;
}

}  // namespace rmq::cli
