// One OpenSearch node in a process of its own, for tests only: it ends with the program that started it. Settings come
// as key=value, plugins as plugin=class. It prints READY once it answers.

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

public class OpenSearchNode {
    static class WithPlugins extends Node {
        WithPlugins(Environment environment, Collection<Class<? extends Plugin>> plugins) {
            super(environment, plugins, true);
        }
    }

    public static void main(String[] args) throws Exception {
        Settings.Builder settings = Settings.builder();
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (String arg : args) {
            int at = arg.indexOf('=');
            String key = arg.substring(0, at);
            String value = arg.substring(at + 1);
            if (key.equals("plugin")) plugins.add(Class.forName(value).asSubclass(Plugin.class));
            else settings.put(key, value);
        }
        Settings given = settings.build();
        Path config = Path.of(given.get("path.home")).resolve("config");
        String name = given.get("node.name");
        Environment environment = InternalSettingsPreparer.prepareEnvironment(given, Map.of(), config, () -> name);
        new WithPlugins(environment, plugins).start();
        System.out.println("READY");
        ProcessHandle.current().parent().ifPresent(parent -> {
            parent.onExit().join();
            System.exit(0);
        });
    }
}
