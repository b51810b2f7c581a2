// A JSON state file in config/ and its .bak, as a manager of the broker loads and persists it.
// RocketMQ: ConfigManager. Written aside, synced and renamed, which stock does not do.
#pragma once

#include <string>

#include "libstore/base/status.h"
#include "libstore/format/config_files.h"
#include "libstore/io/file_system.h"

namespace rmq::broker {

// Threads: load() before others look; save() by one thread at a time.
class StateFile {
 public:
  // `directory` is config/; it is made by the first save().
  StateFile(io::FileSystem& files, std::string directory, format::ConfigFileKind kind);

  // Null where neither file says anything. Fails where stock does not start either.
  [[nodiscard]] Result<json::Value> load();
  // What the file said before goes to the .bak, as stock has it.
  [[nodiscard]] Status save(const json::Value& value);
  [[nodiscard]] const std::string& path() const { return path_; }
  // What load() had to look past; empty: nothing.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  io::FileSystem& files_;
  const format::ConfigFile& file_;
  std::string directory_;
  std::string path_;
  std::string problem_;
};

}  // namespace rmq::broker
