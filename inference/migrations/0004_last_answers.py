from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0003_fair_queue'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='generationrequest',
            index=models.Index(condition=models.Q(('claimed_at__isnull', False), ('ended_at__isnull', False)), fields=['user', 'ended_at'], name='request_served'),
        ),
    ]
